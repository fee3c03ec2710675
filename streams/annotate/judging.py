"""Did the world move, or the model? Stories of calm days and exemplars, read again by the previous release. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from streams.records import Alert, Annotation, Explained, ScoredDocument
from streams.topics import series_root
from streams.watch.lifecycle import digest
from streams.watch.series import observe

FEWEST_CALM, FEWEST_EXEMPLARS = 8, 2
"""With fewer stories read by both releases nothing is decided."""
LITTLE, MUCH = 0.25, 0.75
"""Parts of the shift that the change of release alone explains: up to the one it was the world, from the other not."""


@dataclass(frozen=True)
class Reread:
    """One document and whether each release calls it negative in the alert's series; ``None``: not in it."""

    now: bool | None
    then: bool | None


def wants(alert: Alert) -> bool:
    """Whether ``alert`` is the transition to annotate: the one in which its incident first rang."""
    first = alert.reason in ("", "flapping") or (alert.reason == "late_documents" and alert.sequence == 0)
    return alert.state == "firing" and alert.rang == 1 and alert.revision == 0 and first and alert.rule != "no-data"


def revision_id(transition_id: str) -> str:
    """The id of a transition's annotation: 32 hex digits that follow from the transition alone.

    >>> revision_id("a") == revision_id("a") != revision_id("b")
    True
    """
    return digest(transition_id, "annotation")


def revised(alert: Alert, annotation: Annotation) -> Alert:
    """``alert`` told again with ``annotation``; equal ids however often it is made."""
    return msgspec.structs.replace(
        alert, transition_id=revision_id(alert.transition_id), revision=1, reason="annotated", annotation=annotation
    )


def tone(scored: ScoredDocument, series: str, languages: Sequence[str]) -> bool | None:
    """Whether ``scored`` is negative in ``series``; ``None`` where it does not count there.

    A release may put a document under another topic; what is asked is its tone, so an entity's part of a topic is
    asked of the entity, and a topic of the document as a whole.
    """
    root = series_root(series)
    wanted = f"stream:{scored.stream}" if root.startswith("topic:") else root
    return next((negative for name, _, negative in observe(scored, languages, True) if name == wanted), None)


def unchanged(alert: Alert, explained: tuple[Explained, ...] = ()) -> Annotation:
    """The annotation where one release has read it all: only the world can have moved."""
    why = f"release {alert.release} also read the days before"
    return Annotation("world", why, alert.release, alert.release, explained=explained)


def judged(
    alert: Alert,
    previous: str,
    negative: Sequence[Reread],
    other: Sequence[Reread],
    exemplars: Sequence[Reread],
    explained: tuple[Explained, ...] = (),
) -> Annotation:
    """The verdict. ``negative`` and ``other`` are stories of calm days, by how they were counted then.

    The share of calm days by a release is put together from both kinds in their usual parts, as in any stratified
    sample; what the change of the release moves there is the model's part of the shift.
    """
    read = [
        [one for one in kind if one.now is not None and one.then is not None] for kind in (negative, other, exemplars)
    ]
    usual, stories = alert.baseline_share, len(read[0]) + len(read[1])
    shift = alert.share - usual
    if stories < FEWEST_CALM or not read[1] or len(read[2]) < FEWEST_EXEMPLARS or shift <= 0:
        why = f"only {stories} stories of calm days and {len(read[2])} exemplars could be read again"
        return Annotation("undecided", why, alert.release, previous, stories, explained=explained)
    now, then = (_share(usual, read[0], read[1], release) for release in ("now", "then"))
    kept = sum(bool(one.then) for one in read[2]) / len(read[2])
    by_model = (now - then) / shift
    if by_model >= MUCH or kept < LITTLE:
        verdict = "model"
    elif by_model <= LITTLE and kept >= 0.5:
        verdict = "world"
    else:
        verdict = "both"
    why = (
        f"of {stories} stories of calm days release {alert.release} calls {now:.0%} negative, {previous} {then:.0%}; "
        f"{previous} calls {kept:.0%} of the exemplars negative"
    )
    return Annotation(
        verdict,  # type: ignore[arg-type]
        why,
        alert.release,
        previous,
        stories,
        round(now, 4),
        round(then, 4),
        round(kept, 4),
        explained,
    )


def _share(usual: float, negative: Sequence[Reread], other: Sequence[Reread], release: str) -> float:
    def part(read: Sequence[Reread]) -> float:
        return sum(bool(getattr(one, release)) for one in read) / len(read)

    return (usual * part(negative) if negative else usual) + (1 - usual) * part(other)
