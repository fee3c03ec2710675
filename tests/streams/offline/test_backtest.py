from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from streams.errors import InputError
from streams.offline.backtest import run
from streams.offline.ordered import in_event_order
from streams.offline.whatif import BUDGETS
from streams.records import AlertFeedback, encode
from streams.settings import ScoringSettings, Settings
from tests.streams.watch.newsroom import MONDAY, Voice, scored

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def settings(tiny_registry: Path) -> Settings:
    return Settings(scoring=ScoringSettings(registry=str(tiny_registry)))


def line(at: datetime, text: str, **more: object) -> str:
    return json.dumps({"text": text, "published_at": at.isoformat(), "entities": [{"name": "Contoso"}], **more})


@pytest.fixture(scope="module")
def history() -> list[str]:
    """Three calm days, then an hour in which everybody complains."""
    rng = random.Random(5)
    calm = ["opens a new office", "names a new director", "meets analysts", "angry customers wait", "wins an award"]
    lines = [
        line(START + timedelta(minutes=4 * i), f"Contoso {rng.choice(calm)} {i}", source="wire") for i in range(1080)
    ]
    crisis = START + timedelta(days=2, hours=20)
    lines += [
        line(
            crisis + timedelta(seconds=20 * i), f"Contoso recall {i}: crash, fire, lawsuit filed", source="<b>blog</b>"
        )
        for i in range(80)
    ]
    return lines


def replay(settings: Settings, tmp_path: Path, lines: list[str], **more: object) -> list[dict[str, object]]:
    source, target = tmp_path / "in.jsonl", tmp_path / "alerts.jsonl"
    source.write_text("\n".join(lines) + "\n")
    assert run(settings, [str(source)], target, **more) == 0  # type: ignore[arg-type]
    return [json.loads(row) for row in target.read_text().splitlines()]


def test_a_flood_of_furious_documents_rings_with_evidence(
    settings: Settings, tmp_path: Path, history: list[str]
) -> None:
    alerts = replay(settings, tmp_path, history)
    firing = [a for a in alerts if a["state"] == "firing" and str(a["series"]).lower() == "entity:contoso"]
    assert firing[0]["starts_at"] == "2024-01-03T20:00:00Z"
    assert firing[0]["exemplars"]
    assert "recall" in firing[0]["exemplars"][0]["title"]  # type: ignore[index]
    assert len({a["transition_id"] for a in alerts}) == len(alerts)


def test_the_order_of_the_lines_changes_only_their_numbers(
    settings: Settings, tmp_path: Path, history: list[str]
) -> None:
    shuffled = list(history)
    random.Random(2).shuffle(shuffled)
    told = [replay(settings, tmp_path, lines) for lines in (history, shuffled)]
    for alerts in told:
        for alert in alerts:
            del alert["evidence"]["background"]  # type: ignore[attr-defined]
            for exemplar in alert["exemplars"]:  # type: ignore[attr-defined]
                del exemplar["origin"]
    assert told[0] == told[1]
    assert told[0]


def test_bad_lines_are_counted_and_passed_over(
    settings: Settings, tmp_path: Path, history: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    bad = ["{not json", json.dumps({"text": "no time"}), ""]
    assert replay(settings, tmp_path, bad + history) != []
    assert "1160 documents, 3 errors" in capsys.readouterr().err


def test_files_of_two_streams_are_replayed_as_one_history(
    settings: Settings, tmp_path: Path, history: list[str]
) -> None:
    """Split by line between two streams, it rings for the company as it does whole, and for each stream its own."""
    whole = replay(settings, tmp_path, history)
    news, reviews, target = tmp_path / "news.jsonl", tmp_path / "a=b.jsonl", tmp_path / "both.jsonl"
    news.write_text("\n".join(history[::2]))
    reviews.write_text("\n".join(history[1::2]))
    assert run(settings, [str(news), f"reviews={reviews}"], target) == 0
    split = [json.loads(row) for row in target.read_text().splitlines()]
    company = [(a["transition_id"], a["observed"], a["score"]) for a in whole if a["series"] == "entity:contoso"]
    assert company
    assert [
        (a["transition_id"], a["observed"], a["score"]) for a in split if a["series"] == "entity:contoso"
    ] == company
    assert {str(a["series"]) for a in split} >= {"stream:news", "stream:reviews"}


def test_a_smaller_budget_rings_no_more_often(settings: Settings, tmp_path: Path, history: list[str]) -> None:
    strict = {a["alert_id"] for a in replay(settings, tmp_path, history, budget=1e-6)}
    alerts = replay(settings, tmp_path, history, budget=1e-6)
    assert all(float(str(a["threshold"])) > 7.6 for a in alerts)
    assert len(strict) <= len({a["alert_id"] for a in replay(settings, tmp_path, history)})


@pytest.mark.parametrize("budget", [0.0, -1.0, 11.0])
def test_an_impossible_budget_is_refused(settings: Settings, tmp_path: Path, budget: float) -> None:
    with pytest.raises(InputError, match="budget"):
        run(settings, [str(tmp_path / "in.jsonl")], tmp_path / "out.jsonl", budget)


def test_the_report_shows_the_incident_and_escapes_what_documents_say(
    settings: Settings, tmp_path: Path, history: list[str]
) -> None:
    page = tmp_path / "report.html"
    replay(settings, tmp_path, history, report=page)
    text = page.read_text()
    assert "<svg" in text
    assert "3 Jan 2024, 20:00" in text
    assert "What if the budget were another?" in text
    assert "<b>blog" not in text
    assert "<script" not in text
    assert "http" not in text.replace("xmlns", ""), "nothing is fetched"


def test_the_what_if_of_the_actual_budget_is_the_actual_run(
    settings: Settings, tmp_path: Path, history: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    alerts = replay(settings, tmp_path, history, report=tmp_path / "report.html", budget=0.001)
    fired = {alert["alert_id"] for alert in alerts if alert["state"] == "firing"}
    told = dict(line.split(": ", 1) for line in capsys.readouterr().err.splitlines() if line.startswith("budget"))
    assert told["budget 0.001"].startswith(f"{len(fired)} incidents, ")
    assert told["budget 0.001"].endswith(" 0 of them new, 0 lost")
    counts = [int(told[f"budget {budget:g}"].split()[0]) for budget in BUDGETS]
    assert counts == sorted(counts, reverse=True)


def test_what_people_dismissed_is_the_realised_rate_of_false_alarms(
    settings: Settings, tmp_path: Path, history: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fired = sorted({str(a["alert_id"]) for a in replay(settings, tmp_path, history) if a["state"] == "firing"})
    words = [AlertFeedback(fired[0], "dismiss", "ann", "", 2), AlertFeedback(fired[0], "confirm", "ann", "", 1)]
    words += [AlertFeedback(fired[1], "confirm", "ann", "", 1), AlertFeedback("0" * 32, "dismiss", "ann", "", 1)]
    labels, page = tmp_path / "feedback.jsonl", tmp_path / "report.html"
    labels.write_bytes(b"".join(encode(word) + b"\n" for word in words) + b"{}\n")
    capsys.readouterr()
    replay(settings, tmp_path, history, feedback=labels, report=page)
    assert "judged: 1 right, 1 false" in capsys.readouterr().err
    assert "false a day: 1 of 2 judged" in page.read_text()


def test_an_empty_file_gives_an_empty_output_and_a_page_that_says_so(settings: Settings, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert replay(settings, tmp_path, [], report=page) == []
    assert "Nothing rang" in page.read_text()


@pytest.mark.parametrize("run_length", [1, 7, 1000])
def test_sorting_on_disk_gives_what_sorting_in_memory_gives(run_length: int) -> None:
    rng = random.Random(1)
    documents = [scored(Voice(MONDAY + rng.randrange(50)), offset) for offset in range(300)]
    expected = sorted(documents, key=lambda document: (document.event_ms, document.origin))
    assert list(in_event_order(documents, run_length)) == expected


def test_long_texts_do_not_wait_on_disk() -> None:
    document = msgspec.structs.replace(scored(Voice(MONDAY), 0), text="long " * 2000)
    assert len(next(in_event_order([document])).text) == 640
