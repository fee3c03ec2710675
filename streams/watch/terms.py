"""Which words set some stories apart: log-odds against a background, with an informative prior.

    Monroe, Colaresi & Quinn (2008), "Fightin' Words: Lexical Feature Selection and Evaluation for Identifying
    the Content of Political Conflict".

A word counts once per story, so a headline that repeats itself says it once.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

from streams.records import Term

PRIOR_WORDS = 200.0
"""Weight of the background: so many words' worth of what everybody says."""
LEAST_PRIOR = 0.3
LEAST_STORIES = 2
LEAST_Z = 1.0
SHOWN = 6
NEARLY_ALWAYS = 0.7
"""Two words that stand side by side in this part of the stories of either are shown as one term."""

_WORD = re.compile(r"[^\W\d_][^\W\d_'’]{2,29}")
_STOP_WORDS = """
about above after again against all also amid among and another any are around because been before being below
between both but can could did does doing down during each few for from further get gets got had has have having her
here hers him his how into its itself just like made make makes many may might more most much must new nor not now off
once one only other our out over own per said same say says she should since some such than that the their them then
there these they this those through too two under until upon very via was week were what when where which while who
whom why will with within without would year yet you your
"""
_STOP = frozenset(_STOP_WORDS.split())


def words_of(title: str) -> set[str]:
    """The words of ``title`` that can tell something, each once: lower case, no figures, no stop words.

    >>> sorted(words_of("Battery fires at the Acme plant; battery recalled"))
    ['acme', 'battery', 'fires', 'plant', 'recalled']
    """
    return set(_sequence(title))


def driver_terms(titles: Iterable[str], usual: Iterable[str], background: Mapping[str, int]) -> tuple[Term, ...]:
    """The words and pairs of words that set ``titles`` apart from the ``usual`` ones, most telling first.

    ``background`` says in how many stories of all series each word occurs; it is the prior of both sides.
    """
    sequences = [_sequence(title) for title in titles]
    here = Counter(word for words in sequences for word in set(words))
    there = Counter(word for title in usual for word in words_of(title))
    asked = [word for word, count in here.items() if count >= LEAST_STORIES]
    z = dict(zip(asked, _log_odds(asked, here, there, background), strict=True))
    telling = {word for word in asked if z[word] >= LEAST_Z}
    pairs = Counter(pair for words in sequences for pair in set(pairwise(words)) if telling.issuperset(pair))
    found: dict[str, Term] = {word: Term(word, here[word], round(z[word], 2)) for word in telling}
    for (left, right), count in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0])):
        whole = count >= max(LEAST_STORIES, NEARLY_ALWAYS * max(here[left], here[right]))
        if whole and left in found and right in found:
            del found[left], found[right]
            found[f"{left} {right}"] = Term(f"{left} {right}", count, round(max(z[left], z[right]), 2))
    return tuple(sorted(found.values(), key=lambda term: (-term.z, -term.stories, term.term))[:SHOWN])


def _log_odds(
    words: list[str], here: Mapping[str, int], there: Mapping[str, int], background: Mapping[str, int]
) -> list[float]:
    n_here, n_there, n_all = sum(here.values()), sum(there.values()), max(sum(background.values()), 1)

    def log_odds(count: float, words_in_all: int) -> float:
        return math.log(count / (words_in_all + PRIOR_WORDS + 1 - count))

    found = []
    for word in words:
        prior = max(PRIOR_WORDS * background.get(word, 0) / n_all, LEAST_PRIOR)
        mine, theirs = here[word] + prior, there.get(word, 0) + prior
        found.append((log_odds(mine, n_here) - log_odds(theirs, n_there)) / math.sqrt(1 / mine + 1 / theirs))
    return found


def _sequence(title: str) -> list[str]:
    words = (word.rstrip("'’") for word in _WORD.findall(title.lower()))
    return [word for word in words if word not in _STOP]
