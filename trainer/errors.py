"""The tree of errors of ``trainer``.

::

    TrainerError
    ├── DataError     a labelled set is missing, or a row of it cannot be used   (mend or leave out the set)
    ├── ExportError   the network cannot become a graph that a release may hold  (nothing was published)
    └── ParityError   the graph says something else than the network             (nothing was published)
"""

from __future__ import annotations


class TrainerError(Exception):
    """Base of the tree; its text is fit to print to a user."""


class DataError(TrainerError):
    """A labelled set is missing or has rows that cannot be used."""


class ExportError(TrainerError):
    """The trained network cannot be written as a release."""


class ParityError(ExportError):
    """The exported graph and the network disagree on real text."""
