"""Who may import whom: the rooms of the house, read from the code's own imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "transformers", "peft"}
IMPURE = {"faust", "mode", "aiokafka", "kafka", "prometheus_client", "aiohttp", "time", "random"}

# Pure modules: state in, state out, time passed in.
PURE = (
    "streams/intake",
    "streams/watch",
    "streams/drift",
    "streams/records.py",
    "streams/lessons.py",
    "streams/masking.py",
    "streams/topics.py",
    "streams/scored.py",
)
# Only these may touch Faust.
# Where the trainer meets Kafka: a process, with settings, a health page, a log and clients like every other.
CYCLE = "trainer/cycle/"
OF_STREAMS = {"streams.records", "streams.lessons", "streams.topics"}
OF_STREAMS_AT_THE_EDGE = {
    *("streams.errors", "streams.logs", "streams.settings", "streams.training", "streams.web"),
    *("streams.operate.places", "streams.operate.client", "streams.operate.hints"),
}
FAUST = ("streams/delivery", "streams/agents.py", "streams/app.py", "streams/worker.py")
LONGEST_FILE = 400


def modules(*places: str) -> list[Path]:
    paths = [ROOT / place for place in places]
    assert all(path.exists() for path in paths), "a room of the house has moved: mend its name here"
    return [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]


def imported(path: Path) -> set[str]:
    """Absolute names of everything that the file imports, wherever in the file it does so."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names.add(node.module or "")
    return names


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", modules("streams"), ids=name_of)
def test_streams_never_reach_for_the_trainer_or_torch(path: Path) -> None:
    assert not roots(path) & ({"trainer", "tests", "tocsin"} | HEAVY)


@pytest.mark.parametrize("path", modules("models"), ids=name_of)
def test_models_know_nothing_of_streams_trainer_or_torch(path: Path) -> None:
    assert not roots(path) & ({"streams", "trainer", "tests", "tocsin", "faust", "mode", "aiokafka", "kafka"} | HEAVY)


@pytest.mark.parametrize("path", modules("trainer"), ids=name_of)
def test_of_streams_the_trainer_knows_only_records_and_topics(path: Path) -> None:
    of_streams = {name for name in imported(path) if name.split(".")[0] == "streams"}
    at_the_edge = name_of(path).startswith(CYCLE)
    assert of_streams - {"streams"} <= OF_STREAMS | (OF_STREAMS_AT_THE_EDGE if at_the_edge else set())
    assert at_the_edge or "streams" not in of_streams
    assert not roots(path) & {"faust", "mode", "tests", "tocsin"}


@pytest.mark.parametrize("path", modules(*PURE), ids=name_of)
def test_pure_modules_touch_no_clock_no_broker_no_metrics(path: Path) -> None:
    assert not roots(path) & IMPURE


@pytest.mark.parametrize("path", modules("streams"), ids=name_of)
def test_faust_stays_in_its_corner(path: Path) -> None:
    if not name_of(path).startswith(FAUST):
        assert not roots(path) & {"faust", "mode"}


@pytest.mark.parametrize(
    "path",
    modules(
        "streams",
        "models",
        "trainer",
        "tests",
        "tocsin.py",
        "tocsin_archive.py",
        "tocsin_ingest.py",
        "tocsin_learning.py",
        "tocsin_models.py",
    ),
    ids=name_of,
)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def test_the_only_faust_app_is_made_in_one_place() -> None:
    makers = [name_of(path) for path in modules("streams") if "faust.App(" in path.read_text(encoding="utf-8")]
    assert makers in ([], ["streams/app.py"])


@pytest.mark.parametrize("path", modules("streams", "models", "trainer"), ids=name_of)
def test_nothing_is_unpickled(path: Path) -> None:
    assert not roots(path) & {"pickle", "shelve", "dill", "joblib", "marshal"}
    text = path.read_text(encoding="utf-8")
    assert "allow_pickle=True" not in text
    assert "torch.load(" not in text
