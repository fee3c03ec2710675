"""Which sinks hear of a transition: routes by label. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from streams.notify.wording import identity
from streams.records import Alert


@dataclass(frozen=True)
class Route:
    """A sink by its name, and the labels that it asks for: each must match one of its patterns."""

    name: str
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with ``labels`` goes here.

        >>> Route("pager", {"team": ["risk", "brand-*"]}).takes({"team": "brand-eu"})
        True
        >>> Route("pager", {"team": ["risk"]}).takes({})
        False
        """
        return all(
            name in labels and any(fnmatchcase(labels[name], pattern) for pattern in patterns)
            for name, patterns in self.only.items()
        )


def channels_for(alert: Alert, routes: Sequence[Route], prefix: str) -> list[str]:
    """The names of the ``routes`` that get ``alert``.

    Nobody is woken by what is pending, nor told that it came to nothing (``lapsed``): they never heard of it.
    """
    if alert.state == "pending" or alert.reason == "lapsed":
        return []
    labels = identity(alert, prefix)
    return [route.name for route in routes if route.takes(labels)]
