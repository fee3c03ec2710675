from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streams.intake import Intake, WatchList
from streams.records import Document, Origin
from streams.settings import IntakeSettings

TWEETS = Path(__file__).parents[4] / "shared" / "data" / "stocknet_tweets" / "until_2015-06.jsonl.gz"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not TWEETS.is_file(), reason="needs ../shared/data/stocknet_tweets"),
]


@pytest.fixture(scope="module")
def stories() -> dict[tuple[str, str], Counter[int]]:
    """By ticker and day: how many documents each signature has."""
    intake = Intake(IntakeSettings(), WatchList())
    wanted = {"2014-05-21", "2014-06-04", "2014-07-10", "2014-02-20", "2015-01-29"}
    counts: dict[tuple[str, str], Counter[int]] = {}
    with gzip.open(TWEETS) as lines:
        for number, line in enumerate(lines, 1):
            row: dict[str, Any] = json.loads(line)
            day = row["date"][:10]
            if day in wanted:
                value = json.dumps({"text": row["text"], "published_at": row["date"]}).encode()
                document = intake.read(value, Origin("tweets", 0, number), None, "news")
                assert isinstance(document, Document)
                for entity in row["entities"]:
                    counts.setdefault((entity["ticker"], day), Counter())[document.signature] += 1
    return counts


@pytest.mark.parametrize(
    ("ticker", "day", "copies"),
    [("FB", "2014-05-21", 527), ("GOOG", "2014-05-21", 527), ("FB", "2014-06-04", 244), ("AMZN", "2014-07-10", 63)],
)
def test_a_burst_of_spam_is_one_story(
    stories: dict[tuple[str, str], Counter[int]], ticker: str, day: str, copies: int
) -> None:
    assert stories[ticker, day].most_common(1)[0][1] >= copies


@pytest.mark.parametrize(("ticker", "day", "fewest"), [("WMT", "2014-02-20", 12), ("BABA", "2015-01-29", 25)])
def test_a_true_event_stays_many_stories(
    stories: dict[tuple[str, str], Counter[int]], ticker: str, day: str, fewest: int
) -> None:
    assert len(stories[ticker, day]) >= fewest
