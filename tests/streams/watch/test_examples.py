"""The examples in the docstrings hold."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import streams.watch


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(streams.watch.__path__)])
def test_examples_hold(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(f"streams.watch.{name}"))
    assert failed == 0
