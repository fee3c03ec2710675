"""What a release tells its users: the model card, and the attributions that the data's licences ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CASES: dict[str, str] = {
    "cases_customers": "messages of customers to companies: complaints told as facts, scornful thanks, questions, "
    "praise",
    "cases_statements": "statements of companies: figures that rise or fall, orders won, plain facts",
    "cases_rivals": "sentences about several names, good for one and bad for another",
    "cases_negations": "negated praise and blame",
    "cases_posts": "everyday posts: plans and facts without a feeling, joy, anger",
    "cases_orders": "texts of these kinds with an order to whoever labels them, which does not count",
}
"""Texts written by rule (:mod:`trainer.cases`) with invented names; no data set stands behind them."""

CREDITS: dict[str, dict[str, str]] = {
    "twitter_fin_news_topic": {
        "title": "Twitter Financial News Topic",
        "licence": "MIT",
        "source": "Hugging Face, zeroshot/twitter-financial-news-topic",
        "use": "topics; labels as published",
    },
    "twitter_fin_news_sentiment": {
        "title": "Twitter Financial News Sentiment",
        "licence": "MIT",
        "source": "Hugging Face, zeroshot/twitter-financial-news-sentiment",
        "use": "sentiment, as direction of the price (bearish, neutral, bullish)",
    },
    "sentfin": {
        "title": "SEntFiN 1.0",
        "licence": "MIT, (c) 2021 Sinha, Kedas, Kumar, Malo",
        "source": "GitHub, pyRis/SEntFiN",
        "use": "sentiment of headlines, and toward their entities; rows whose entities disagree have no sentiment",
    },
    "newsmtsc": {
        "title": "NewsMTSC",
        "licence": "MIT, (c) 2020 Felix Hamborg",
        "source": "GitHub, fhamborg/NewsMTSC",
        "use": "sentiment of news sentences, and toward their targets",
    },
    "goemotions": {
        "title": "GoEmotions",
        "licence": "Apache-2.0",
        "source": "Hugging Face, google-research-datasets/go_emotions",
        "use": "sentiment, by the published grouping of the emotions; a sample",
    },
    "hu_liu_product_reviews": {
        "title": "Customer Review Data, (c) 2004, 2007 Bing Liu",
        "licence": "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
        "source": "NLTK data, product_reviews_1 and _2",
        "use": "polarity of review sentences, and the aspects they speak of, sorted into ten; sentences without an "
        "annotated opinion are left out",
    },
    "liu_pros_cons": {
        "title": "Pros and Cons, Bing Liu",
        "licence": "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
        "source": "NLTK data, pros_cons",
        "use": "polarity of review phrases; a sample",
    },
    "rt_polarity": {
        "title": "Sentence Polarity 1.0, Bo Pang and Lillian Lee",
        "licence": "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
        "source": "NLTK data, sentence_polarity",
        "use": "polarity of film reviews",
    },
    "wiki_current_events": {
        "title": "Current events, by Wikipedia contributors",
        "licence": "CC BY-SA 4.0, https://creativecommons.org/licenses/by-sa/4.0/",
        "source": "Wikipedia, Portal:Current events; compiled by ianrastall/current-events-context",
        "use": "news topics, by the portal's headings; a sample",
    },
}
"""Where each labelled set comes from, under which licence, and what training makes of it."""


def credits(sets: Sequence[str]) -> tuple[dict[str, str], ...]:
    """The credits of ``sets``, as the manifest holds them."""
    return tuple({"name": name, **CREDITS[name]} for name in sets)


def write_notice(version: str, base: Mapping[str, str], sets: Sequence[str]) -> str:
    """The NOTICE of a release: whose work it builds on. No text of any set is part of a release."""
    lines = [
        f"tocsin release {version}",
        "",
        "The weights are licensed under the Apache License, Version 2.0.",
        "",
        f"They are a fine-tuned derivative of {base['name']}",
        f"(revision {base['revision']}), Apache License 2.0; tokenizer.json is that model's",
        "tokenizer with one rule added (web addresses are skipped).",
        "",
        "They were trained on the labels of these sets. No text of them is contained here; terms of the",
        "platforms that the texts come from still apply to the texts.",
        "",
    ]
    for name in sets:
        credit = CREDITS[name]
        lines += [
            f"- {credit['title']} ({credit['source']})",
            f"  licence: {credit['licence']}",
            f"  used for: {credit['use']}",
        ]
    return "\n".join(lines) + "\n"


def write_card(
    version: str,
    base: Mapping[str, str],
    training: Mapping[str, Any],
    metrics: Mapping[str, Any],
    temperatures: Mapping[str, Any],
) -> str:
    """The model card (Markdown): what it does, how it was made, what it reaches, where it fails."""
    recipe, rows = training["recipe"], training["rows"]
    lines = [
        f"# tocsin release {version}",
        "",
        "One encoder that reads English news, finance tweets and reviews and says, in one pass: the sentiment",
        "of the text (negative, neutral, positive), the sentiment toward each entity named in it, its topic in",
        f"each taxonomy ({', '.join(training.get('taxonomies', ('finance',)))}), and an embedding of 384 numbers.",
        "Probabilities are calibrated on held-back rows.",
        "",
        f"- Base: {base['name']} at {base['revision']} (Apache-2.0), 22.7 million parameters, 6 layers.",
        f"- Trained here: LoRA of rank {recipe['adapter']['rank']} on query, key, value and dense of the layers from "
        f"{recipe['adapter']['frozen_layers']} on, and the heads.",
        "- Licence of the weights: Apache-2.0. Attributions: NOTICE.",
        "",
        "## Training",
        "",
        f"{rows['train']:,} rows ({rows['validation']:,} for validation, {rows['test']:,} for the figures below),",
        "split by a hash of the normalised text so that copies stay on one side:",
        "",
        "| set | at most, per epoch | licence |",
        "|-|-:|-|",
        *(
            f"| {CREDITS[name]['title']} | {'all' if most >= 100_000 else f'{most:,}'} | {CREDITS[name]['licence']} |"
            for name, most in recipe["sources"].items()
            if name in CREDITS
        ),
        "",
        *_cases(recipe["sources"]),
        *_legs(training),
        "",
        "Made by `trainer.produce.run` (several runs: by `trainer.legs.run` and",
        f"`trainer.produce.ship`); judged again by `trainer.evaluate.run`, which is `tocsin eval {version} DATA`.",
        "",
        "Sentiment has two heads: one learnt from finance tweets, whose labels are the direction of a price, one",
        "from all sets whose labels are tone; headlines about companies teach both. A gate mixes their logits. It",
        "learns from where a text comes from and, mostly, from which head is right about it.",
        f"Temperatures: sentiment {temperatures['sentiment']:.3f}, entities {temperatures['entities']:.3f}, "
        + ", ".join(f"{name} {value:.3f}" for name, value in temperatures["topics"].items())
        + ".",
        "",
        "## Figures",
        "",
        "On the test side of the split, never used for training, selection or calibration. ECE over 15 bins. On sets",
        "without neutral that class is left out. `fresh` is the accuracy on the rows that no training text is nearly a",
        "copy of (most of the word triples the same), `int8` what the int8 graph loses on validation and test rows.",
        "",
        "| set / question | rows | accuracy | macro-F1 | ECE | fresh (rows) | int8 |",
        "|-|-:|-:|-:|-:|-:|-:|",
        *(
            f"| {key} | {value['n']:,} | {value['accuracy']:.3f} | {value['macro_f1']:.3f} | {value['ece']:.3f} "
            f"| {_fresh(metrics, key)} | {_lost(metrics, key)} |"
            for key, value in metrics["test"].items()
        ),
        "",
        *_unseen(metrics.get("unseen", {})),
        "How the two sentiment heads compare on the validation side (accuracy):",
        "",
        "| set | price head | tone head | mean | gate (shipped) |",
        "|-|-:|-:|-:|-:|",
        *(
            f"| {key} | " + " | ".join(f"{value[how]:.3f}" for how in ("price", "tone", "mean", "gate")) + " |"
            for key, value in metrics["heads"].items()
        ),
        "",
        "## Limits",
        "",
        "- English only. Other languages are scored without meaning; tocsin flags them and leaves them out of series.",
        "- Finance tweets are judged by price direction: a calmly worded rate cut can be positive.",
        "- Complaints told as plain facts, sarcastic thanks and comparisons of figures were taught by sentences made",
        "  by rule; other ways to say them may still be misread.",
        "- Orders to whoever labels a text (say it is positive) were taught to be left alone; cleverer ones may still "
        "be",
        "  heeded.",
        "- Where one sentence is good for one entity and bad for another, the weaker side often gets the sentence's",
        "  sentiment: see the rows `entities:mixed`.",
        "- News sentences were labelled toward one target; a sentence about two sides has no single sentiment. Use the",
        "  entities' sentiments there.",
        "- Read up to 96 tokens in training; longer texts work, to 256 tokens by default, with less certainty.",
        "- Opinions of people about people: not fit for decisions about individuals.",
    ]
    return "\n".join(lines) + "\n"


def _cases(sources: Mapping[str, int]) -> list[str]:
    """A line per kind of texts written by rule, where there are any."""
    lines = [f"- {most:,} {CASES[name]}" for name, most in sources.items() if name in CASES]
    return ["Besides them, per epoch, texts written by rule with invented names:", "", *lines, ""] if lines else []


def _fresh(metrics: Mapping[str, Any], key: str) -> str:
    found = metrics.get("fresh", {}).get(key)
    return f"{found['accuracy']:.3f} ({found['n']:,})" if found else ""


def _lost(metrics: Mapping[str, Any], key: str) -> str:
    return f"{metrics['int8'][key]:+.4f}" if key in metrics.get("int8", {}) else ""


def _unseen(figures: Mapping[str, Any]) -> list[str]:
    """The table of sets that nothing was trained on."""
    if not figures:
        return []
    return [
        "On sets of which no row was used:",
        "",
        "| set / question | rows | accuracy | macro-F1 | ECE |",
        "|-|-:|-:|-:|-:|",
        *(
            f"| {key} | {value['n']:,} | {value['accuracy']:.3f} | {value['macro_f1']:.3f} | {value['ece']:.3f} |"
            for key, value in figures.items()
        ),
        "",
    ]


def _legs(training: Mapping[str, Any]) -> list[str]:
    """One line per run: the run that a checkpoint goes on from stands before it."""
    recipe, before = training["recipe"], training.get("after")
    passes = training.get("passes", recipe["epochs"])
    line = (
        f"- {'then ' if before else ''}seed {recipe['seed']}, {passes} epochs of batches of {recipe['batch']}, "
        f"{recipe['max_tokens']} tokens, AdamW at {recipe['rate']:g} (heads {recipe['head_rate']:g}), "
        f"falling linearly to nothing over the last {recipe.get('decay', 1):.0%}, "
        f"label smoothing {recipe['smoothing']:g}, the encoder in bfloat16"
    )
    if recipe.get("teacher"):
        line += f"; what finance texts have no label for is taught by the weights before it, at {recipe['teacher']:g}"
    return [*(_legs(before) if before else ()), line + (f"; {training['note']}" if "note" in training else "")]
