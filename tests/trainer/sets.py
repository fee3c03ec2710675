"""Invented labelled sets in the layout of the public ones, and a base encoder small enough to train in seconds."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

from tests.models.tiny import BAD, GOOD, SPECIAL, tokenizer_description

COMPANIES = ("Acme", "Globex", "Initech", "Umbrella", "Hooli", "Vandelay")
SUBJECTS = ("shares", "profits", "service", "quarter", "phone", "week", "branch", "plant", "bond", "board")
TOPIC_WORDS = {"Earnings": "revenue", "IPO": "listing", "Energy | Oil": "barrel"}
SENTIMENT_WORDS = {"negative": BAD.split()[:8], "neutral": ["usual", "same", "plain"], "positive": GOOD.split()[:8]}


def write_sets(root: Path, rows: int = 240, seed: int = 1) -> Path:
    """Sets ``twitter_fin_news_topic``, ``twitter_fin_news_sentiment`` and ``sentfin`` under ``root``."""
    draw = random.Random(seed)

    def tail() -> str:
        return f"{draw.choice(SUBJECTS)} {draw.choice(SUBJECTS)} {draw.randrange(10_000)}"

    topics, tweets, headlines = [], [], []
    for _ in range(rows):
        topic = draw.choice(list(TOPIC_WORDS))
        topics.append({"text": f"{draw.choice(COMPANIES)} {TOPIC_WORDS[topic]} {tail()}", "topic": topic})
        sentiment = draw.choice(list(SENTIMENT_WORDS))
        word = draw.choice(SENTIMENT_WORDS[sentiment])
        tweets.append({"text": f"${draw.choice(COMPANIES)} {word} {tail()} https://t.co/x", "sentiment": sentiment})
        headlines.append(_headline(draw, tail()))
    for name, some in (
        ("twitter_fin_news_topic", topics),
        ("twitter_fin_news_sentiment", tweets),
        ("sentfin", headlines),
    ):
        write_rows(root / name / "train.jsonl.gz", some)
    return root


def _headline(draw: random.Random, tail: str) -> dict[str, Any]:
    first, second = draw.sample(COMPANIES, 2)
    moods = [draw.choice(list(SENTIMENT_WORDS)) for _ in range(2)]
    words = [draw.choice(SENTIMENT_WORDS[mood]) for mood in moods]
    row: dict[str, Any] = {
        "text": f"{first} {words[0]} , {second} {words[1]} {tail}",
        "entities": [{"name": name, "sentiment": mood} for name, mood in zip((first, second), moods, strict=True)],
        "label": moods[0] if moods[0] == moods[1] else "mixed",
    }
    return row | {"sentiment": moods[0]} if moods[0] == moods[1] else row


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows as gzipped JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def write_base(directory: Path) -> Path:
    """A BERT of 3 layers and 32 units over the words of the sets, untrained, with its tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    told = [
        *COMPANIES,
        *SUBJECTS,
        *TOPIC_WORDS.values(),
        *(word for some in SENTIMENT_WORDS.values() for word in some),
        "$",
        ",",
    ]
    words = {word: index for index, word in enumerate(dict.fromkeys([*SPECIAL, *(word.lower() for word in told)]))}
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=512, attn_implementation="eager",
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(directory)
    description = tokenizer_description(words) | {"normalizer": {"type": "Lowercase"}}
    (directory / "tokenizer.json").write_text(json.dumps(description), encoding="utf-8")
    return directory
