"""``tocsin drift``: the form of its table, and that it hears in a file what it is there to hear."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streams.drift.listener import WINDOWED
from streams.errors import InputError
from streams.offline.drift import run
from streams.settings import ScoringSettings, Settings
from tests.models.tiny import build_tiny_release, invented_texts, remember

AT_HOME = (*invented_texts(3_000, seed=11), *invented_texts(1_000, about="service", seed=12))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return remember(build_tiny_release(tmp_path_factory.mktemp("registry")))


def listen(release: Path, place: Path, rows: list[Any]) -> list[dict[str, str]]:
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    (place / "in.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    settings = Settings(scoring=ScoringSettings(registry=str(release.parent)))
    assert run(settings, place / "in.jsonl", place / "out.csv", str(release)) == 0
    with (place / "out.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def at_home(count: int, seed: int) -> list[dict[str, Any]]:
    return [{"text": text} for text in random.Random(seed).choices(AT_HOME, k=count)]


def test_there_is_a_line_per_detector_and_step_in_order(release: Path, tmp_path: Path) -> None:
    found = listen(release, tmp_path, [*at_home(40, 1), b"{not json", *at_home(24, 2)])
    assert list(found[0]) == ["row", "detector", "statistic", "threshold", "alarm"]
    rows = [int(line["row"]) for line in found]
    assert rows == sorted(rows)
    # The 41st line is passed over: the look after 48 documents is at line 49.
    assert Counter(rows) == dict.fromkeys((16, 32, 49, 65), len(WINDOWED))
    assert {line["detector"] for line in found} == set(WINDOWED)
    assert all(line["alarm"] in ("0", "1") and float(line["threshold"]) > 0 for line in found)


def test_a_stream_like_home_is_quiet_and_another_one_is_not(release: Path, tmp_path: Path) -> None:
    other = [{"text": text} for text in invented_texts(600, about="service", seed=5)]
    found = listen(release, tmp_path, [*at_home(2_048, 3), *other])
    alarms = [(int(line["row"]), line["detector"]) for line in found if line["alarm"] == "1"]
    assert [alarm for alarm in alarms if alarm[0] <= 2_048] == []
    assert min(row for row, detector in alarms if detector == "domain") <= 2_048 + 64


def test_labels_of_rows_tell_when_the_release_errs(release: Path, tmp_path: Path) -> None:
    told = [{"text": "a great day", "stars": 5}] * 2 + [{"text": "a great day", "sentiment": "positive"}]
    wrong = [{"text": "a great day", "stars": 1}, {"text": "a great day", "sentiment": "negative"}]
    silent = [{"text": "a great day", "stars": 3}, {"text": "a great day", "sentiment": 7}, {"text": "a great day"}]
    found = [line for line in listen(release, tmp_path, [*told * 40, *silent, *wrong * 40])
             if line["detector"] == "error"]  # fmt: skip
    rows = [int(line["row"]) for line in found]
    assert rows == [*range(1, 121), *range(124, 204)]
    alarms = [int(line["row"]) for line in found if line["alarm"] == "1"]
    assert 123 < alarms[0] < 160


def test_topics_are_labels_too(release: Path, tmp_path: Path) -> None:
    rows = [{"text": "profit and revenue", "topic": "Earnings"}, {"text": "profit", "topic": "no such topic"}]
    found = listen(release, tmp_path, rows)
    assert [(line["row"], line["detector"]) for line in found] == [("1", "error-topic")]


def test_a_release_without_a_reference_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tiny has no reference\.npz"):
        listen(build_tiny_release(tmp_path / "registry"), tmp_path, at_home(5, 1))


def test_a_run_length_that_cannot_be_kept_is_refused(release: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="1,000"):
        run(Settings(), tmp_path / "in.jsonl", tmp_path / "out.csv", str(release), 50)
