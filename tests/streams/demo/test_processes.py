"""What the demo's processes are told, and that they are ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streams.alerting import AlertmanagerSettings, Rule
from streams.demo.processes import Process, arrange, environment
from streams.demo.run import WATCHLIST
from streams.errors import BrokerError
from streams.intake.watchlist import WatchList
from streams.operate.embedded import on_embedded
from streams.settings import NotifySettings, Settings, StreamSettings, load


def test_a_process_reads_back_exactly_the_demos_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arranged = arrange(on_embedded(Settings(), "127.0.0.1:40001"), tmp_path, WATCHLIST)
    for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
        monkeypatch.delenv(name)
    for name, value in environment(arranged, {}).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "tocsin.toml").write_text('brokers = ["elsewhere:9092"]\nprefix = "theirs"\n')
    monkeypatch.chdir(tmp_path)
    assert load().model_dump() == arranged.model_dump()


def test_nothing_of_the_surroundings_reaches_the_demo() -> None:
    given = environment(Settings(), {"PATH": "/bin", "TOCSIN_PREFIX": "theirs", "TOCSIN_WATCH__GRACE_SECONDS": "1"})
    assert given["PATH"] == "/bin"
    assert given["TOCSIN_PREFIX"] == "tocsin"
    assert "TOCSIN_WATCH__GRACE_SECONDS" not in given


def test_a_demo_sends_nothing_to_the_users_own_sinks_and_changes_no_rule(tmp_path: Path) -> None:
    theirs = Settings(
        notify=NotifySettings(alertmanagers=(AlertmanagerSettings(url="http://alerts:9093"),)),
        streams={"wire": StreamSettings(topic="wire.raw")},
        rules=(Rule(name="theirs", budget=0.2),),
    )
    arranged = arrange(theirs, tmp_path, WATCHLIST)
    assert arranged.notify.alertmanagers == ()
    assert (arranged.rules, arranged.watch) == (theirs.rules, theirs.watch)
    assert arranged.topics.inputs == ("news", "reviews")


def test_the_watchlist_of_the_sample_loads() -> None:
    assert len(WatchList.load(WATCHLIST).entities) == 12


async def test_a_process_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    process = Process("worker", tmp_path)
    await process.start(["no-such-verb"], dict(os.environ), tmp_path)
    with pytest.raises(BrokerError, match=r"(?s)the worker ended with status 2.*no-such-verb"):
        await process.ready(1, within_seconds=60)


async def test_stopping_ends_a_process_that_runs(tmp_path: Path) -> None:
    process = Process("reader", tmp_path)
    await process.start(["--help"], dict(os.environ), tmp_path)
    status = await process.stop()
    assert status is not None
    assert process.ended == status


async def test_what_a_process_prints_can_be_read(tmp_path: Path) -> None:
    process = Process("reader", tmp_path)
    await process.start(["--help"], dict(os.environ), tmp_path)
    assert any("demo" in line for line in [line async for line in process.lines()])
    await process.stop()
