"""The command line: every verb teaches, every mistake says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tocsin

VERBS = [
    "demo", "worker", "notify", "score", "backtest", "detect", "replay", "doctor", "bench", "explain",
    "train", "trainer", "feedback", "eval", "taxonomy add",
    "watchlist import", "archive", "search", "topics create", "topics list", "dlq show", "dlq replay", "ingest file",
    "release list", "release show", "release history", "release verify", "release promote", "release rollback",
]  # fmt: skip


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "tocsin"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_explains_itself(verb: str) -> None:
    shown = CliRunner().invoke(tocsin.app, [*verb.split(), "--help"])
    assert shown.exit_code == 0
    assert len(shown.output.split("Options")[0].splitlines()) >= 4, "a usage line and a sentence at least"


def test_help_needs_neither_torch_nor_a_broker(tmp_path: Path) -> None:
    script = (
        "import sys, tocsin\n"
        "tocsin.app(['--help'], standalone_mode=False)\n"
        "assert not {'torch', 'faust', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)


def test_a_wrong_setting_is_one_message_and_exit_status_two(tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_text("[scoring]\nprovidr = 'cpu'\n")
    done = run("doctor", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("tocsin: scoring.providr: there is no such setting")


def test_an_unknown_benchmark_names_the_known_ones(tmp_path: Path) -> None:
    done = run("bench", "nothing", cwd=tmp_path)
    assert done.returncode == 2
    assert "there are:" in done.stderr
