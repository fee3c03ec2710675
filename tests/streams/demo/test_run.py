"""The demo itself, with real processes on the embedded broker and the shipped release: it rings, and it ends."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from streams.demo.run import INTERRUPTED, run
from streams.settings import ScoringSettings, Settings


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.mark.timeout(900)
def test_it_rings_for_the_crisis_alone_and_loses_nothing(tmp_path: Path) -> None:
    out, before = io.StringIO(), children()
    settings = Settings(scoring=ScoringSettings(registry=str(tmp_path / "registry")))
    status = run(settings, speed=2400, console=Console(file=out, width=200))
    said = out.getvalue()
    assert status == 0, said
    assert "EMBEDDED BROKER" in said
    assert re.search(r"│ FIRING .* entity:ovenna", said)
    assert "RANG, rightly" in said
    assert said.count("silent, rightly") == 3
    assert re.search(r"the first rightful alert was delivered \d+ s after the start", said)
    sent, scored, dead, lost = map(
        int, re.findall(r"(\d+) (?:records sent|scored|dead letters|lost)", said.split("came of it")[1])[:4]
    )
    assert (sent, lost) == (scored + dead, 0)
    assert children() == before


@pytest.mark.timeout(300)
def test_ctrl_c_ends_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = dict(os.environ) | {"TOCSIN_SCORING__REGISTRY": str(tmp_path / "registry"), "TMPDIR": str(tmp_path)}
    demo = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "demo"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert demo.stdout is not None
    assert any("a worker, a notifier and an archive start" in line for line in demo.stdout)
    process = psutil.Process(demo.pid)
    while len(started := process.children()) < 2:
        assert demo.poll() is None
    demo.send_signal(signal.SIGINT)
    rest = demo.stdout.read()
    assert demo.wait() == INTERRUPTED, rest
    assert "Traceback" not in rest
    assert not [child for child in started if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not list(tmp_path.glob("tocsin-demo-*"))
