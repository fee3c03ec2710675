"""The scorer says the same of a document whatever stands beside it, and refuses what it cannot trust."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from models.errors import (
    CorruptReleaseError,
    MislabelledReleaseError,
    PrecisionError,
    ProviderError,
    UnsafeReleaseError,
)
from models.labels import FINANCE
from models.release import MANIFEST, read_manifest, write
from models.scorer import Scorer, Scores
from tests.models.texts import documents

NEGATIVE, NEUTRAL, POSITIVE = range(3)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    from tests.models.tiny import build_tiny_release

    return Scorer.load(build_tiny_release(tmp_path_factory.mktemp("registry")))


def same(left: Scores, rows: list[int], right: Scores) -> bool:
    return (
        np.array_equal(left.sentiment[rows], right.sentiment)
        and all(np.array_equal(left.topics[name][rows], table) for name, table in right.topics.items())
        and np.array_equal(left.embedding[rows], right.embedding)
        and all(np.array_equal(left.entities[row], right.entities[at]) for at, row in enumerate(rows))
    )


def test_it_tells_what_it_is(scorer: Scorer) -> None:
    assert (scorer.release, scorer.languages, scorer.provider, scorer.precision) == ("tiny", ("en",), "cpu", "fp32")
    assert scorer.taxonomies == {"finance": FINANCE}


def test_negative_words_are_heard(scorer: Scorer) -> None:
    scores = scorer.score(["Acme shares plunge after fraud probe", "A great day", "It is Tuesday"])
    assert scores.sentiment.argmax(1).tolist() == [NEGATIVE, POSITIVE, NEUTRAL]
    assert np.allclose(scores.sentiment.sum(1), 1)


def test_an_entity_is_judged_by_the_words_around_it(scorer: Scorer) -> None:
    text = "Acme plunges on fraud probe . . . . . . . . . while rival Globex wins praise"
    at = text.index("Globex")
    toward = scorer.score([text], [[(0, 4), (at, at + 6)]]).entities[0]
    assert toward.argmax(1).tolist() == [NEGATIVE, POSITIVE]


def test_an_entity_that_is_not_found_has_the_sentiment_of_the_document(scorer: Scorer) -> None:
    text = "terrible " + "word " * 300 + "Acme"
    scores = scorer.score([text, "terrible"], [[None, (len(text) - 4, len(text))], [(0, 8)]])
    assert scores.truncated.tolist() == [True, False]
    assert np.array_equal(scores.entities[0], np.stack([scores.sentiment[0]] * 2))


def test_spans_count_code_points(scorer: Scorer) -> None:
    text = "😀😀 Ärger bei Acme: fraud probe"
    at = text.index("Acme")
    batch = scorer.prepare([text], [[(at, at + 4)]])[0]
    first, last = batch.spans[0, 0]
    assert last == first + 1
    plain = scorer.prepare(["xx yy bei Acme: fraud probe"], [[(10, 14)]])[0]
    assert (first, last) == tuple(plain.spans[0, 0])


def test_no_texts_give_empty_scores(scorer: Scorer) -> None:
    scores = scorer.score([])
    assert scores.sentiment.shape == (0, 3)
    assert scores.entities == []


@pytest.mark.parametrize("text", ["", " ", "\ud800", "\x00", "a" * 100_000, "🙂" * 5_000, "https://x.y/" + "z" * 9_000])
def test_odd_texts_are_scored(scorer: Scorer, text: str) -> None:
    scores = scorer.score([text], [[(0, 1)]])
    assert np.isfinite(scores.sentiment).all()
    assert scores.entities[0].shape == (1, 3)


def test_a_lone_surrogate_moves_no_offsets(scorer: Scorer) -> None:
    broken = scorer.prepare(["\udc80 Acme fraud"], [[(2, 6)]])[0]
    whole = scorer.prepare(["? Acme fraud"], [[(2, 6)]])[0]
    assert np.array_equal(broken.spans, whole.spans)


def test_batches_keep_to_equal_lengths_and_the_budget(scorer: Scorer) -> None:
    texts, spans = documents(300, seed=3)
    batches = scorer.prepare(texts, spans)
    assert sorted(row for batch in batches for row in batch.rows) == list(range(300))
    for batch in batches:
        assert batch.ids.shape == batch.mask.shape
        assert batch.ids.shape[0] >= 2
        assert batch.ids.shape[1] % 8 == 0
        assert batch.tokens <= max(scorer.batch_tokens, 2 * batch.ids.shape[1])
        assert all(batch.ids.shape[1] - count < 8 for count in batch.mask.sum(1)[: len(batch.rows)])


def test_a_documents_numbers_do_not_depend_on_its_neighbours(scorer: Scorer) -> None:
    texts, spans = documents(300, seed=4)
    whole = scorer.score(texts, spans)
    draw = np.random.default_rng(5)
    for budget in (64, 256, 4096, 65_536):
        order = draw.permutation(300).tolist()
        cut = int(draw.integers(1, 299))
        scorer.batch_tokens = budget
        for part in (order[:cut], order[cut:], order[:1]):
            again = scorer.score([texts[row] for row in part], [spans[row] for row in part])
            assert same(whole, part, again)
    scorer.batch_tokens = 4096


def test_threads_may_infer_at_once(scorer: Scorer) -> None:
    texts, spans = documents(200, seed=6)
    batches = scorer.prepare(texts, spans)
    with ThreadPoolExecutor(4) as pool:
        raws = list(pool.map(scorer.infer, batches))
    assert same(scorer.score(texts, spans), list(range(200)), scorer.read(batches, raws))


def test_a_precision_that_is_not_there_is_an_error(release: Path) -> None:
    with pytest.raises(PrecisionError, match="has no int8 graph, only fp32"):
        Scorer.load(release, precision="int8")


def test_a_provider_that_is_not_there_is_an_error(release: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ProviderError, match="gpu"):
        Scorer.load(release, provider="cuda")


def test_a_changed_graph_is_not_loaded(release: Path) -> None:
    graph = release / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-10] + b"0123456789")
    with pytest.raises(CorruptReleaseError):
        Scorer.load(release)


def rewrite(release: Path, name: str, data: bytes) -> None:
    """Put other content into a release, with a checksum that holds: a faulty trainer, not a faulty disk."""
    manifest = read_manifest(release)
    (release / MANIFEST).unlink()
    (release / name).write_bytes(data)
    write(release, manifest)


def test_a_well_signed_pickle_is_still_no_graph(release: Path) -> None:
    rewrite(release, "model.onnx", b"\x80\x04\x95\x10\x00.")
    with pytest.raises(CorruptReleaseError, match="not an ONNX model"):
        Scorer.load(release)


def test_a_well_signed_graph_with_foreign_operators_is_refused(release: Path) -> None:
    import onnx

    model = onnx.load_model_from_string((release / "model.onnx").read_bytes())
    model.graph.node[0].domain = "evil"
    rewrite(release, "model.onnx", model.SerializeToString())
    with pytest.raises(UnsafeReleaseError):
        Scorer.load(release)


def test_a_well_signed_tokenizer_that_is_none_is_refused(release: Path) -> None:
    rewrite(release, "tokenizer.json", b"{}")
    with pytest.raises(CorruptReleaseError, match="tokenizer"):
        Scorer.load(release)


def test_labels_that_do_not_fit_the_graph_are_refused(release: Path) -> None:
    path = release / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["labels"]["topics"]["finance"].pop()
    path.write_text(json.dumps(manifest))
    with pytest.raises(MislabelledReleaseError, match="19 labels"):
        Scorer.load(release)


def test_temperature_softens_without_changing_the_call(release: Path) -> None:
    sharp = Scorer.load(release).score(["bad day", "good day"]).sentiment
    path = release / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["temperatures"]["sentiment"] = 20.0
    path.write_text(json.dumps(manifest))
    soft = Scorer.load(release).score(["bad day", "good day"]).sentiment
    assert sharp.argmax(1).tolist() == soft.argmax(1).tolist()
    assert (soft.max(1) < sharp.max(1)).all()
