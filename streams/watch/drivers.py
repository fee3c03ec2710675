"""Who and what drives a rise: the values of one dimension (sources, topics) by explanatory power and surprise.

    Bhagwan et al. (2014), "Adtributor: Revenue Debugging in Advertising Systems", NSDI.

Explanatory power is a value's part of the excess over what was expected; powers of all values add up to one.
Surprise is its term in the Jensen-Shannon divergence between the usual and the present mix, in bits: a value that
is as prominent as ever explains much and surprises nobody.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from streams.records import Driver

LEAST_POWER = 0.1
ENOUGH_POWER = 0.67
SHOWN = 5
OTHERS = "(others)"
SMOOTHING = 2.0
"""Weight of all stories' mix beside that of the negative ones, of which few may be remembered."""


def drivers(
    observed: Mapping[str, int], negative: Iterable[str], other: Iterable[str], expected: float
) -> tuple[Driver, ...]:
    """The values that explain the rise, most surprising first, until they explain two thirds of it.

    ``observed`` counts the negative stories by value; ``negative`` and ``other`` are the values of remembered
    stories, which say how ``expected`` is usually spread. An empty value stands for "not said" and is not shown.
    """
    actual = sum(observed.values())
    if actual <= expected:
        return ()
    usual = _mix(Counter(negative), Counter(other), observed)
    rated = []
    for name, count in observed.items():
        forecast = expected * usual.get(name, 0.0)
        power = (count - forecast) / (actual - expected)
        if power >= LEAST_POWER and name not in ("", OTHERS):
            surprise = _surprise(usual.get(name, 0.0), count / actual)
            rated.append(Driver(name, float(count), round(forecast, 2), round(power, 4), round(surprise, 4)))
    rated.sort(key=lambda driver: (-driver.surprise, -driver.power, driver.name))
    shown, explained = [], 0.0
    for driver in rated[:SHOWN]:
        shown.append(driver)
        explained += driver.power
        if explained >= ENOUGH_POWER:
            break
    return tuple(shown)


def _mix(negative: Counter[str], other: Counter[str], observed: Mapping[str, int]) -> dict[str, float]:
    """The usual part of each value among negative stories; without any memory, the present mix."""
    everyone = negative + other
    total = everyone.total()
    if not total:
        whole = sum(observed.values())
        return {name: count / whole for name, count in observed.items()}
    weight = negative.total() + SMOOTHING
    return {name: (negative[name] + SMOOTHING * count / total) / weight for name, count in everyone.items()}


def _surprise(usual: float, present: float) -> float:
    middle = (usual + present) / 2
    return 0.5 * sum(part * math.log2(part / middle) for part in (usual, present) if part > 0)
