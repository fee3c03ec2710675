from __future__ import annotations

import pytest

from streams.intake.language import language
from streams.intake.signature import words_of


def heard_as(text: str, given: str | None = None, undecided: str = "en") -> str:
    return language(given, text, words_of(text.lower()), undecided)


@pytest.mark.parametrize(
    ("given", "code"), [("en", "en"), ("EN", "en"), ("en-US", "en"), ("pt_BR", "pt"), ("zh-Hans", "zh"), ("fil", "fil")]
)
def test_the_record_knows_its_language(given: str, code: str) -> None:
    assert heard_as("Das ist nicht gut", given) == code


@pytest.mark.parametrize("given", ["und", "", None, "english", "e", "en US please", "zxx", "<b>"])
def test_a_language_that_says_nothing_is_not_believed(given: str | None) -> None:
    assert heard_as("The company said that it was closing the plant", given) == "en"


@pytest.mark.parametrize(
    "text",
    [
        "Northwind shares plunge after the regulator opens a probe",
        "this phone is the worst I ever bought",
        "They don\u2019t reply and won\u2019t refund",
    ],
)
def test_english_is_known_by_its_small_words(text: str) -> None:
    assert heard_as(text, undecided="xx") == "en"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Das Unternehmen hat die Produktion nach dem Brand eingestellt und alle Kunden informiert", "de"),
        ("La empresa dijo que cerrar\u00e1 la f\u00e1brica y que los clientes no recibir\u00e1n nada", "es"),
        (
            "L'entreprise a annonc\u00e9 que les clients ne seront pas rembours\u00e9s avant la fin de l'ann\u00e9e",
            "fr",
        ),
        ("\u30d0\u30c3\u30c6\u30ea\u30fc\u304c\u3059\u3050\u306b\u58ca\u308c\u305f", "ja"),
        ("\u7535\u6c60\u5f88\u5feb\u5c31\u574f\u4e86", "zh"),
        ("\ubc30\ud130\ub9ac\uac00 \uae08\ubc29 \uace0\uc7a5\ub0ac\ub2e4", "ko"),
        ("\u0411\u0430\u0442\u0430\u0440\u0435\u044f \u0441\u043b\u043e\u043c\u0430\u043b\u0430\u0441\u044c", "ru"),
        ("\u03b7 \u03bc\u03c0\u03b1\u03c4\u03b1\u03c1\u03af\u03b1 \u03c7\u03ac\u03bb\u03b1\u03c3\u03b5", "el"),
    ],
)
def test_other_languages_are_told_apart(text: str, code: str) -> None:
    assert heard_as(text) == code


@pytest.mark.parametrize("text", ["$NWT $KT", "!!!", "", "lol", "\U0001f62d\U0001f62d"])
def test_what_shows_no_language_counts_as_the_setting_says(text: str) -> None:
    assert heard_as(text, undecided="sv") == "sv"
