"""A serving install: what a worker's host gets, and what it must never get."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LARGEST_MB = 700


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel and the `cpu` extra, at the locked versions."""
    folder = tmp_path_factory.mktemp("serving") / "venv"
    uv = Path(sys.executable).parent / "uv"
    python = folder / "bin" / "python"
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, folder],
        [uv, "pip", "install", "--quiet", "--python", python, "--constraint", "constraints.txt", ".[cpu]"],
    ):
        subprocess.run(command, cwd=ROOT, check=True)
    return folder


def test_it_stays_under_its_size(environment: Path) -> None:
    size = sum(path.stat().st_size for path in environment.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < LARGEST_MB * 1_000_000


@pytest.mark.parametrize("heavy", ["torch", "transformers", "peft", "pytest"])
def test_it_holds_nothing_of_training(environment: Path, heavy: str) -> None:
    assert not list(environment.glob(f"lib/python*/site-packages/{heavy}"))


def test_its_command_line_works_away_from_the_checkout(environment: Path, tmp_path: Path) -> None:
    done = subprocess.run([environment / "bin" / "tocsin", "--help"], cwd=tmp_path, capture_output=True, check=True)
    assert b"backtest" in done.stdout


def test_it_carries_the_shipped_release(environment: Path) -> None:
    (folder,) = environment.glob("lib/python*/site-packages/deploy/release")
    assert {"adapter.safetensors", "heads.safetensors"} <= {path.name for path in folder.iterdir()}
