"""Following the registry: the alias is the truth, and what it names serves, once it has stood its trial.

A thread of its own looks at the alias file every ``scoring.refresh_seconds``, and at once when a hint comes. A
release that it has not loaded yet is tried out in another process, loaded, held to what it said there, and only
then put in the place of the one that serves, which stays loaded: going back is one assignment. A release that does
not stand its trial is refused by name, and the old one goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from models.errors import ModelError
from models.registry import ALIASES, CANDIDATE, CHAMPION, PREVIOUS, Registry
from models.scorer import Scorer
from models.trial import agrees, try_out
from streams import logs
from streams.metrics import Metrics
from streams.scoring.serving import Beside, Live, Serving
from streams.settings import Settings

log = logs.get(__name__)

RETRY_SECONDS = 300.0
"""After this long a refused release is tried again: the machine may have been short of memory."""


@dataclass(frozen=True)
class Refusal:
    """Why a release does not serve; ``again_at`` on the monotonic clock, ``None`` for never."""

    reason: str
    again_at: float | None


class Rollout:
    """Brings :class:`Live` in line with the registry. :meth:`look` is called from one thread.

    ``changed`` is told of every release that begins to serve, and of the refusals that stand.
    """

    def __init__(
        self, settings: Settings, live: Live, metrics: Metrics, changed: Callable[[Serving, dict[str, str]], None]
    ) -> None:
        self._settings = settings
        self._live = live
        self._metrics = metrics
        self._changed = changed
        self._registry = Registry(settings.scoring.registry)
        self._followed = settings.scoring.release
        self._served = {live.current.release}
        self.refused: dict[str, Refusal] = {}

    @property
    def follows(self) -> bool:
        """Whether there is anything to follow: an alias moves, a version does not."""
        return self._followed in ALIASES

    def look(self) -> None:
        """Read the aliases once and do what they ask for."""
        for release, reason in self._live.take_backed_out():
            self._report_back_out(release, reason)
        try:
            aliases = self._registry.aliases()
        except (ModelError, OSError) as exc:
            log.warning("the registry cannot be read; the release that serves stays", reason=str(exc)[:300])
            return
        self.refused = {version: why for version, why in self.refused.items() if version in aliases.values()}
        wanted = aliases.get(self._followed)
        if wanted is not None and wanted != self._live.current.release:
            serving = self._loaded(wanted)
            if serving is not None:
                self._live.swap(serving, trusted=wanted in self._served)
                self._served.add(wanted)
                self._metrics.release_moves.labels("swapped").inc()
                log.info("another release serves", release=wanted)
                self._tell()
        if self._followed == CHAMPION:
            self._keep("previous", aliases.get(PREVIOUS))
            self._keep("candidate", aliases.get(CANDIDATE) if self._live.percent else None)

    def _keep(self, role: Beside, wanted: str | None) -> None:
        """Have the release of an alias loaded in its role, so that it need not be when it is wanted."""
        held = self._live.beside.get(role)
        if wanted == self._live.current.release:
            wanted = None
        if (held.release if held else None) == wanted:
            return
        if wanted is None and role == "previous" and self._live.on_probation:
            return  # nobody to roll back to by name, but somebody to compare with
        self._live.keep(role, None if wanted is None else self._loaded(wanted))

    def _loaded(self, version: str) -> Serving | None:
        """The release, from memory or from its trial; ``None`` where it is refused."""
        for serving in (self._live.current, *self._live.beside.values()):
            if serving.release == version:
                return serving
        refusal = self.refused.get(version)
        if refusal is not None and (refusal.again_at is None or time.monotonic() < refusal.again_at):
            return None
        try:
            return self._load(version)
        except Exception as exc:  # whatever a bad release raises, the good one goes on
            self._refuse(version, str(exc) or repr(exc), time.monotonic() + RETRY_SECONDS)
            return None

    def _load(self, version: str) -> Serving:
        options = self._settings.scoring.scorer_options()
        release = self._registry.resolve(version)
        said = try_out(release, options)
        scorer = Scorer.load(release, **options)
        agrees(scorer, said)
        return Serving.of(scorer, self._settings)

    def _report_back_out(self, release: str, reason: str) -> None:
        """Tell everybody, by the alias; where the registry cannot be written, this process alone goes back."""
        self._metrics.release_moves.labels("backed_out").inc()
        self._refuse(release, f"backed out: {reason}", None)
        if self._followed != CHAMPION:
            return
        try:
            champion = self._registry.rollback(of=release, reason=f"a worker backed out: {reason}")
            log.warning("rolled back", release=release, champion=champion)
        except (ModelError, OSError) as exc:
            log.error("the alias could not be moved back; roll back by hand", release=release, reason=str(exc)[:300])

    def _refuse(self, version: str, reason: str, again_at: float | None) -> None:
        self.refused[version] = Refusal(reason, again_at)
        self._metrics.release_moves.labels("refused").inc()
        log.error("a release is refused, the old one serves", refused=version, reason=reason[:500])
        self._tell()

    def _tell(self) -> None:
        self._changed(self._live.current, {version: one.reason for version, one in self.refused.items()})


class Follower(threading.Thread):
    """Calls :meth:`Rollout.look` now and then, and soon after :meth:`hint`."""

    def __init__(self, rollout: Rollout, seconds: float) -> None:
        super().__init__(name="rollout", daemon=True)
        self._rollout = rollout
        self._seconds = seconds
        self._woken = threading.Event()
        self._over = False

    def hint(self) -> None:
        """Something may have changed."""
        self._woken.set()

    def end(self) -> None:
        """Look no more; what is being loaded is left behind."""
        self._over = True
        self._woken.set()

    def run(self) -> None:
        while not self._over:
            try:
                self._rollout.look()
            except Exception:
                log.exception("following the registry failed; it is tried again")
            self._woken.wait(self._seconds)
            self._woken.clear()
