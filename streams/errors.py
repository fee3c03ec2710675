"""Everything tocsin raises on purpose.

    TocsinError
    ├── SettingsError       a setting is missing, unknown or out of range        (operator mends the settings)
    ├── TopicsError         a topic is missing or has another partition count    (operator: `tocsin topics create`)
    ├── BrokerError         the broker refuses or cannot be reached              (supervisor restarts the process)
    ├── DeliveryError       an output was not acknowledged                       (process exits; the slab is read again)
    ├── SnapshotError       a watch snapshot cannot be used                      (dropped; the log rebuilds the state)
    └── InputError          a file or line on the command line is unusable   (user mends the input)

`models` and `trainer` have trees of their own (``models.errors``). A message says what happened, to which
input, and what to do about it.
"""

from __future__ import annotations

EXIT_RESTART = 70
"""Exit status that asks the supervisor for a restart (EX_SOFTWARE): the slab in hand is read again."""
EXIT_USAGE = 2
"""Exit status for what a restart cannot mend: settings, missing topics, a refused release."""


class TocsinError(Exception):
    """Base of the tree; its text is fit to print to a user."""


class SettingsError(TocsinError):
    """A setting is missing, unknown or out of range."""


class TopicsError(TocsinError):
    """A topic is missing or has another shape than the settings ask for."""


class BrokerError(TocsinError):
    """The broker cannot be reached or refuses what was asked."""


class DeliveryError(TocsinError):
    """An output was not acknowledged by the broker; its slab must not be committed."""


class SnapshotError(TocsinError):
    """A snapshot of the watch state is incomplete, corrupt or of another format version."""


class InputError(TocsinError):
    """A file or a line named on the command line cannot be used."""
