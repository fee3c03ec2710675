"""A worker with something planted in it: `python -m tests.broker.faulty_worker` takes the worker's options.

``TOCSIN_TEST_FAULTS`` names what, separated by commas; the code under test knows nothing of it:

    kill:MOMENT:N          -9 for this process at the N-th such moment (``MOMENTS``)
    scorer:exit:WORD       the process dies when a text with WORD is scored (as a fault in native code would)
    scorer:raise:WORD      scoring a text with WORD raises
    slow:WHAT:SECONDS      produce requests, or every other delivery of outputs, take so much longer
    bug:NAME               a known mistake in delivery (``BUGS``), which the verifier has to find
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from tests.broker.faults import bugs, delays, moments, scorers

VARIABLE = "TOCSIN_TEST_FAULTS"


def plant(faults: str) -> None:
    """Change this process as ``faults`` says.

    Raises:
        ValueError: a fault is not known.
    """
    planters: dict[str, Callable[[str, str], None]] = {
        "kill": lambda moment, number: moments.kill_at(moment, int(number)),
        "scorer": scorers.fail_on,
        "slow": delays.slow_down,
        "bug": lambda name, _: bugs.plant(name),
    }
    for fault in filter(None, faults.split(",")):
        kind, _, rest = fault.partition(":")
        name, _, value = rest.partition(":")
        if kind not in planters:
            raise ValueError(f"{fault!r} is no fault; there are {', '.join(planters)}")
        planters[kind](name, value)


if __name__ == "__main__":
    plant(os.environ.get(VARIABLE, ""))
    import tocsin

    sys.argv = ["tocsin", "worker", *sys.argv[1:]]
    tocsin.main()
