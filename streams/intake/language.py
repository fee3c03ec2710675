"""The language of a document: what the record says, else its script and its small words, else py3langid.

py3langid takes more than a millisecond, a hundred times the rest, so it is asked only where small words
leave doubt; and on a handful of words it guesses, so there the setting's language stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

FEWEST_LETTERS = 24
"""Shorter text without telling words is not worth a guess."""
SUREST = 0.9
"""Below this probability a guess of py3langid does not overrule the setting."""
GUESSED = """
    en de fr es it pt nl sv da no fi pl cs sk ro hu hr lt lv et tr az id vi tl sw
    ru uk bg sr mk kk ar fa ur ps hi mr ne bn gu pa ta te kn ml si
    """.split()  # noqa: SIM905
"""The languages py3langid chooses from: fewer candidates, fewer odd guesses on short text."""
SAMPLE = 600
"""Characters looked at."""

_GIVEN = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9_-]{1,30})?")
_UNSAID = frozenset({"und", "mul", "mis", "zxx", "xx", "unk"})
_SCRIPTS = (
    (re.compile("[\u3040-\u30ff]"), "ja"),
    (re.compile("[\uac00-\ud7a3]"), "ko"),
    (re.compile("[\u4e00-\u9fff]"), "zh"),
    (re.compile("[\u0590-\u05ff]"), "he"),
    (re.compile("[\u0370-\u03ff]"), "el"),
    (re.compile("[\u0e00-\u0e7f]"), "th"),
    (re.compile("[\u10a0-\u10ff]"), "ka"),
    (re.compile("[\u0530-\u058f]"), "hy"),
)
_OTHER_SCRIPT = re.compile("[\u0400-\u052f\u0600-\u06ff\u0900-\u0dff]")
_LETTERS = re.compile(r"[^\W\d_]")

ENGLISH = frozenset(
    """
    the and of to for with from that this is are was were be been has have had will would could should can
    it its he she they you your we our us my his her their them what who when where why how which than then
    not but or if so as at by on in up out off over after before into about against between during under
    more most less very just only also still even again now new first last next some any all no do does did
    dont cant wont isnt its im ive says said say see sees get gets got make makes made take takes go goes
    going back down good great bad better best worse worst love hate like really too much many never always
    buy sell stock stocks shares market markets price prices sales profit profits loss losses earnings quarter
    year years week month day today tomorrow yesterday report reports results company companies business bank
    rises rise falls fall drops drop jumps cuts cut beats misses higher lower amid despite ahead looks plans
    opens closes names wins loses hits faces sues warns raises announces launches files deal news update
    product works work working worked broke broken quality money waste return returned ordered bought use
    used using easy time people one two three because while there here well need want know think every
    another other being an
    """.split()  # noqa: SIM905
)
OTHERS = (
    frozenset(
        """
    der die das und ist nicht ein eine einen dem den mit von zu auf fur ich sie wir auch bei nach wird sind
    el los las una que por para con como pero mas esta este del su sus al lo le les des une et est dans pour
    pas qui sur avec au aux ce cette sont plus nous vous il di che per non sono della dei gli nel anche
    het een en van voor niet met zijn op aan maar ook naar wel nog bij door ik je om uit wat ze mijn
    nao uma com os do da dos das na no mais foi ao tem seu sua isso muito och att det som inte har av till
    ve bir bu da de icin ile cok ama degil yang dan di ini itu untuk dengan tidak ada saya
    """.split()  # noqa: SIM905
    )
    - ENGLISH
)


def language(given: str | None, text: str, words: Sequence[str], undecided: str = "en") -> str:
    """The two- or three-letter code of ``text``.

    ``words`` are its lower-case words; ``undecided`` is the answer where nothing decides.
    """
    if given:
        match = _GIVEN.fullmatch(given)
        if match and (code := match[1].lower()) not in _UNSAID:
            return code
    if not text.isascii() and (other := _by_script(text[:SAMPLE])) is not None:
        return other
    distinct = set(words[:200])
    english = len(distinct & ENGLISH)
    others = len(distinct & OTHERS)
    if english > 2 * others or (english and len(words) < 4):
        return "en"
    return _guess(text[:SAMPLE], undecided)


def _by_script(text: str) -> str | None:
    """The language of a script that only one uses much; ``None`` for Latin letters."""
    letters = len(_LETTERS.findall(text))
    for script, code in _SCRIPTS:
        share = len(script.findall(text))
        if share * (5 if code == "ja" else 2) > letters:  # kana are the smaller part of Japanese
            return code
    if len(_OTHER_SCRIPT.findall(text)) * 2 > letters:
        return str(load_identifier().classify(text)[0])
    return None


def _guess(text: str, undecided: str) -> str:
    if len(_LETTERS.findall(text)) < FEWEST_LETTERS and text.isascii():
        return undecided
    code, probability = load_identifier().classify(text)
    return str(code) if probability >= SUREST else undecided


@cache
def load_identifier() -> Any:
    """The model of py3langid, 4.5 MB, loaded when first needed."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(GUESSED)
    return identifier
