"""Whatever is typed is looked for, and is never an operator, a column or an error."""

from __future__ import annotations

import doctest
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.archive import search, words
from streams.archive.words import expressions
from tests.streams.archive.library import Room, scored

HOSTILE = (
    'title:recall', '"', '""', '"a', "NEAR(a b, 2)", "a NOT b", "* ^ - + ( ) { } :", "a AND", 'x" OR 1=1 --',
    "'; DROP TABLE documents; --", "\x00", "_", "_ acme", '"_" acme', "\u0301", "٣", "acme\u0301*", "{title text}: x",
    '"a" * "b"', "-acme",
)  # fmt: skip


@pytest.fixture(scope="module")
def table() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5 (title, text, tokenize = 'porter unicode61 remove_diacritics 2')")
    db.execute("INSERT INTO t VALUES ('acme recalls kettles', 'a and b, near the near-by NOT')")
    return db


@given(st.text(max_size=80) | st.lists(st.sampled_from(HOSTILE), max_size=4).map(" ".join))
def test_nothing_typed_is_an_error(table: sqlite3.Connection, typed: str) -> None:
    for expression in expressions(typed):
        table.execute("SELECT count(*) FROM t WHERE t MATCH ?", (expression,)).fetchone()


@pytest.mark.parametrize("typed", HOSTILE)
def test_nothing_typed_reaches_the_tables(room: Room, typed: str) -> None:
    room.keep(scored(1, "Acme recalls kettles"))
    with room.open() as shelves:
        for expression in expressions(typed):
            for number in shelves.matching(expression, search.Filters(), 10):
                assert shelves.fetch([number], expression)[0].entry.id == "d1"
        assert len(shelves.latest(search.Filters(), 10)) == 1


def test_an_operator_is_a_word(table: sqlite3.Connection) -> None:
    (asked, *_) = expressions("title:kettles")
    assert asked == '"title" AND "kettles"'
    assert table.execute("SELECT count(*) FROM t WHERE t MATCH ?", (asked,)).fetchone() == (0,)


def test_a_long_question_is_cut() -> None:
    (asked, _) = expressions("word " * 500 + "x" * 10_000)
    assert asked.count("AND") < words.MOST_WORDS


@pytest.mark.parametrize("module", [words, search])
def test_the_examples_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
