"""How well the story signature folds copies and keeps stories apart, as JSON on stdout.

    python tests/bench/folding.py HEADLINES.jsonl[.gz] [--most 5000]

Takes ``text`` of each line as a story, makes a copy of it in each of many ways (one change each) and counts
those with the story's signature; then counts different texts that share a signature although fewer than a
third of their word pairs are the same.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from streams.intake.finder import fold
from streams.intake.signature import signature, words_of
from streams.intake.text import clean

CUT = 140
LINK = re.compile(r"https?://\S*")


def signed(text: str) -> int:
    folded = fold(clean(text).heard)
    return signature(folded, words_of(folded))


def cut(text: str, user: str) -> str:
    copy = f"RT @{user}: {text}"
    return copy if len(copy) <= CUT else copy[: CUT - 1] + "…"


def put(text: str, chance: random.Random) -> str:
    words = text.split()
    words[chance.randrange(len(words))] = chance.choice(["reportedly", "sees", "major", "Group"])
    return " ".join(words)


def drop(text: str, chance: random.Random) -> str:
    words = text.split()
    del words[chance.randrange(len(words))]
    return " ".join(words)


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "retweet": lambda text, chance: f"RT @user{chance.randrange(999)}: {text}",
    "retweet, cut": lambda text, chance: cut(text, f"user{chance.randrange(999)}"),
    "comment and retweet": lambda text, chance: f"this is huge RT @user{chance.randrange(999)}: {text}",
    "link": lambda text, chance: f"{text} https://t.example/{chance.getrandbits(40):x}",
    "agency": lambda text, chance: text + chance.choice([" - Reuters", " | CNBC", " (Bloomberg)", " — WSJ"]),
    "front": lambda text, chance: chance.choice(["BREAKING: ", "UPDATE 1-", "Exclusive: ", "JUST IN: "]) + text,
    "dateline": lambda text, chance: chance.choice(["LONDON (Reuters) - ", "NEW YORK, May 3 (Reuters) - "]) + text,
    "tags": lambda text, chance: " ".join([text, *chance.sample(["$AAA", "$BBB", "#news", "#markets"], 2)]),
    "upper case": lambda text, _: text.upper(),
    "punctuation": lambda text, _: re.sub(r"[,.:;!?\"]", " ", text.replace("'", "’")),
    "word put for another": put,
    "word dropped": drop,
    "sentence appended": lambda text, _: f"{text} The company did not respond to a request for comment on Monday.",
}


def pairs(text: str) -> set[tuple[str, str]]:
    words = words_of(fold(clean(text).heard))
    return set(pairwise(words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--most", type=int, default=5000)
    options = parser.parse_args()
    chance = random.Random(11)
    with gzip.open(options.file) if options.file.suffix == ".gz" else options.file.open("rb") as lines:
        texts = sorted({LINK.sub("", str(json.loads(line)["text"])).strip() for line in lines})
    texts = [text for text in texts if signed(text) and len(text.split()) > 5]
    chance.shuffle(texts)
    stories = texts[: options.most]
    folded = {
        name: round(sum(signed(change(text, chance)) == signed(text) for text in stories) / len(stories), 3)
        for name, change in CHANGES.items()
    }
    groups: defaultdict[int, list[str]] = defaultdict(list)
    for text in texts:
        groups[signed(text)].append(text)
    apart = 0
    for first, *others in groups.values():
        for other in others:
            one, two = pairs(first), pairs(other)
            apart += len(one & two) * 3 < len(one | two)
    report = {"stories": len(stories), "folded": folded, "texts": len(texts), "wrongly_folded": apart}
    sys.stdout.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
