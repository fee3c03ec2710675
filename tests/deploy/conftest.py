"""Prometheus' and Alertmanager's own programs. Without them the tests skip, and say so."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

UNPACKED = Path(__file__).parents[2] / ".venv" / "tools" / "usr" / "bin"
MISSING = "no {}: `make test` unpacks the Debian packages prometheus and prometheus-alertmanager where there is apt"

TEMPLATES = Path("/usr/share/prometheus/alertmanager/default.tmpl")
"""Debian's Alertmanager reads them there and nowhere else."""

Tool = Callable[..., subprocess.CompletedProcess[str]]


def program(*names: str) -> str:
    """The path of the first of ``names`` that is there; skips the test where none is."""
    path = None
    for name in names:
        path = path or shutil.which(name) or shutil.which(name, path=str(UNPACKED))
    if path is None:
        pytest.skip(MISSING.format(names[0]))
    return path


def alertmanager_program() -> str:
    """The path of Alertmanager; skips the test where it, or what it needs, is not installed."""
    path = program("prometheus-alertmanager", "alertmanager")
    if path.startswith(str(UNPACKED)) and not TEMPLATES.exists():
        pytest.skip(f"Alertmanager is only unpacked and does not find {TEMPLATES}: install it, or run as root")
    return path


def _runs(path: str) -> Tool:
    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture
def promtool() -> Tool:
    return _runs(program("promtool"))


@pytest.fixture
def amtool() -> Tool:
    return _runs(program("amtool"))
