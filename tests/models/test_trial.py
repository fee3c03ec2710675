"""A release on trial: what is sound says its words in another process, what is not is refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import ReleaseError
from models.scorer import Scorer
from models.trial import agrees, say, try_out
from tests.models import altered
from tests.models.tiny import build_tiny_release

OPTIONS = {"provider": "cpu", "threads": 1}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return build_tiny_release(tmp_path, "tiny")


def test_a_sound_release_says_there_what_it_says_here(release: Path) -> None:
    said = try_out(release, OPTIONS)
    scorer = Scorer.load(release, provider="cpu", threads=1)
    agrees(scorer, said)
    assert set(said) == {"sentiment", "entities", "topic:finance"}
    assert said == say(scorer)


def test_another_release_does_not_agree(release: Path, tmp_path: Path) -> None:
    said = try_out(release, OPTIONS)
    other = Scorer.load(altered.hotter(tmp_path, "hotter"), provider="cpu", threads=1)
    with pytest.raises(ReleaseError, match=r"hotter: \w+ is not what it was"):
        agrees(other, said)


def test_a_damaged_release_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"model\.onnx"):
        try_out(altered.flipped(tmp_path, "flipped"), OPTIONS)


def test_a_release_that_says_no_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="sentiment is not finite"):
        try_out(altered.without_probabilities(tmp_path, "nan"), OPTIONS)


def test_a_release_that_crashes_the_process_is_refused(release: Path) -> None:
    with pytest.raises(ReleaseError, match="tiny ended its trial with status"):
        try_out(release, {"no_such_option": 1})


def test_a_release_that_says_nothing_in_time_is_refused(release: Path) -> None:
    with pytest.raises(ReleaseError, match="said nothing within"):
        try_out(release, OPTIONS, seconds=0.01)
