"""A tiny real release, and the registry around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.registry import Registry
from tests.models.tiny import build_tiny_release


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The tiny release, freshly built: a test may damage it."""
    return build_tiny_release(tmp_path / "registry")


@pytest.fixture
def registry(release: Path) -> Registry:
    """A registry that holds the tiny release, and no alias yet."""
    return Registry(release.parent)
