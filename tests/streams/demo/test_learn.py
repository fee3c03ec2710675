"""The demo that learns, as far as a test has time for: new words raise drift, a cycle begins, and Ctrl-C ends it all.

What a cycle comes to is tested with a smaller release (tests/trainer/cycle); `make demo-learn` shows the whole.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

import tocsin
from streams.demo.run import INTERRUPTED


def test_what_does_not_go_together_is_refused() -> None:
    told = CliRunner().invoke(tocsin.app, ["demo", "--learn", "--seed", "8"])
    assert told.exit_code == 2
    assert "a sample of its own" in " ".join(told.output.split())


def alive(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


@pytest.mark.timeout(900)
def test_new_words_raise_drift_a_cycle_begins_and_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = dict(os.environ) | {"TOCSIN_SCORING__REGISTRY": str(tmp_path / "registry"), "TMPDIR": str(tmp_path)}
    demo = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "demo", "--learn"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert demo.stdout is not None
    said: list[str] = []
    for line in demo.stdout:
        said.append(line)
        if line.endswith("trainer: reading\n"):
            break
    told = "".join(said)
    assert demo.poll() is None, told
    week, app = told.split("everybody talks of a new app")
    assert "DRIFT" in week
    assert "DRIFT  error on reviews" in app
    assert "calls for training" in app
    (right,) = re.findall(r"shipped-\S+ called ([0-9.]+)% of \d+ documents about the app right", app)
    assert float(right) < 70
    assert "labels of 4 people" in app
    (learnt, anchors) = re.findall(
        r"a cycle begins \(drift: .*\): (\d+) labelled documents to learn, (\d+) anchors", app
    )[0]
    assert int(learnt) > 150
    assert int(anchors) > 1_200

    started = psutil.Process(demo.pid).children(recursive=True)
    assert len(started) >= 3, "a worker, a trainer, and what works for it"
    demo.send_signal(signal.SIGINT)
    rest = demo.stdout.read()
    assert demo.wait() == INTERRUPTED, rest
    assert "Traceback" not in rest
    psutil.wait_procs(started, timeout=60)
    assert not [one for one in started if alive(one)]
    assert not list(tmp_path.glob("tocsin-learn-*"))
