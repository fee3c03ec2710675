"""Logs: one format for our lines and the libraries'."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from streams import logs
from streams.settings import LogSettings


@pytest.fixture(autouse=True)
def _restore_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_ours_and_a_library_s_lines_are_json_alike() -> None:
    stream = io.StringIO()
    logs.configure(LogSettings(format="json"), stream)
    logs.get("streams.test").info("slab scored", documents=3)
    logging.getLogger("somebody").warning("hello %s", "there")
    ours, theirs = lines(stream)
    assert (ours["event"], ours["documents"], ours["level"]) == ("slab scored", 3, "info")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("hello there", "warning", "somebody")


def test_a_line_break_in_a_value_stays_inside_its_line() -> None:
    stream = io.StringIO()
    logs.configure(LogSettings(format="json"), stream)
    logs.get("streams.test").info("got", value='a\n{"event": "forged"}')
    assert len(stream.getvalue().splitlines()) == 1


def test_an_exception_is_part_of_its_line() -> None:
    stream = io.StringIO()
    logs.configure(LogSettings(format="json"), stream)
    try:
        raise ValueError("odd")
    except ValueError:
        logs.get("streams.test").exception("failed")
    assert "ValueError: odd" in str(lines(stream)[0]["exception"])


def test_libraries_that_narrate_are_kept_quiet() -> None:
    stream = io.StringIO()
    logs.configure(LogSettings(format="json"), stream)
    logging.getLogger("aiokafka").info("chatter")
    assert stream.getvalue() == ""
