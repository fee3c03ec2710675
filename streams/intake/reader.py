"""The one way in: bytes of a record -> :class:`Document` or :class:`Rejection`."""

from __future__ import annotations

from hashlib import blake2b

from streams.intake.event_time import event_time, parse_time
from streams.intake.finder import Finder, fold
from streams.intake.language import language, load_identifier
from streams.intake.mentions import Heard, mentions, tidy_name
from streams.intake.raw import RawRecord, Refused, decode
from streams.intake.signature import signature, words_of
from streams.intake.text import CleanText, clean
from streams.intake.watchlist import WatchList
from streams.records import Document, Origin, Rejection
from streams.settings import IntakeSettings

LONGEST_ID = 512
LONGEST_TITLE = 300
LONGEST_HEADLINE = 120
"""Of the first line, which stands for a missing title."""
LONGEST_URL = 2048
HIGHEST_STARS = 5.0


class Intake:
    """Reads records of every input stream. Pure: equal bytes give equal documents.

    A record without an id is named after its bytes, so that reading a file or a dead letter again gives the
    same ids, and two equal records are one document to whoever keeps documents by id.
    """

    def __init__(
        self,
        settings: IntakeSettings,
        watchlist: WatchList,
        *,
        needs_time: bool = True,
    ) -> None:
        """``needs_time=False`` takes records without any time (event time 0), for scoring files."""
        self._settings = settings
        self._watchlist = watchlist
        self._finder = Finder(watchlist)
        self._needs_time = needs_time
        oldest = parse_time(settings.oldest)
        assert oldest is not None, "settings validate intake.oldest"
        self._oldest_ms = oldest
        self._grace_ms = settings.future_grace_seconds * 1000

    def warm(self) -> None:
        """Load what is otherwise loaded when first needed (a second or so), so that no slab waits for it."""
        load_identifier()

    def read(self, value: bytes | None, origin: Origin, broker_ms: int | None, stream: str) -> Document | Rejection:
        """Read one record of ``stream``. ``broker_ms`` is the broker's timestamp, ``None`` or below 1 if unknown."""
        try:
            return self._read(value, origin, broker_ms, stream)
        except Refused as refused:
            return refused.rejection
        except Exception as exc:
            # The only catch-all: a record that no rule foresaw goes to the dead letters, not to the supervisor.
            return Rejection("decode", type(exc).__name__, f"intake failed: {type(exc).__name__}")

    def _read(self, value: bytes | None, origin: Origin, broker_ms: int | None, stream: str) -> Document | Rejection:
        record, repaired = decode(value, self._settings.max_record_bytes)
        known_id = _record_id(record)
        if known_id is not None and len(known_id) > LONGEST_ID:
            return Rejection("validate", "IdTooLong", f"id has {len(known_id)} characters, more than {LONGEST_ID}")
        moment = event_time(
            record.published_at,
            broker_ms if broker_ms is not None and broker_ms > 0 else None,
            self._oldest_ms,
            self._grace_ms,
            self._needs_time,
        )
        if isinstance(moment, Rejection):
            return _of(moment, known_id)
        stars, odd_stars = _stars(record.stars)
        if odd_stars is not None:
            return _of(odd_stars, known_id)

        full, has_headline = _text(record)
        text = full[: self._settings.max_text_chars]
        cleaned = clean(text)
        if len(cleaned.heard) > self._settings.max_text_chars:
            cleaned = cleaned.first(self._settings.max_text_chars)
        heard = cleaned.heard
        if not heard or heard.isspace():
            return Rejection("validate", "NoText", "there is no text (nor title or body) to read", known_id)
        folded = fold(heard)
        words = words_of(folded)
        source = tidy_name(record.source) if record.source else ""
        hits = self._finder.find(heard, folded, lambda: frozenset(words))
        named, too_many = mentions(
            record, Heard(cleaned, folded, len(text)), hits, self._watchlist, self._settings.max_entities
        )
        return Document(
            id=known_id if known_id is not None else _named_after(value or b""),
            origin=origin,
            stream=stream,
            event_ms=moment,
            title=_title(record, text),
            text=text,
            heard=heard,
            lang=language(record.lang, heard, words, self._settings.undecided_language),
            signature=signature(folded, words, source, has_headline),
            source=source,
            url=_url(record.url) if record.url else "",
            flags=_flags(cleaned, repaired, len(text) < len(full), too_many),
            mentions=named,
            stars=stars,
            product=tidy_name(record.product) if record.product else "",
            brand=tidy_name(record.brand) if record.brand else "",
        )


def _record_id(record: RawRecord) -> str | None:
    return None if record.id is None or record.id == "" else str(record.id)


def _named_after(value: bytes) -> str:
    return blake2b(value, digest_size=16).hexdigest()


def _of(rejection: Rejection, known_id: str | None) -> Rejection:
    return Rejection(rejection.stage, rejection.error, rejection.message, known_id)


def _text(record: RawRecord) -> tuple[str, bool]:
    """The original text, and whether its first line is a title: ``text``, else ``title`` and ``body``."""
    if record.text and not record.text.isspace():
        return record.text, False
    if record.title and record.body:
        return f"{record.title}\n{record.body}", True
    return record.title or record.body or "", False


def _title(record: RawRecord, text: str) -> str:
    """One line to show people: the record's title, else the first line of its text, fit for a terminal."""
    if record.title and not record.title.isspace():
        line = record.title[:LONGEST_TITLE]
    else:
        line = text.lstrip().split("\n", 1)[0].rstrip()
        line = line if len(line) <= LONGEST_HEADLINE else line[: LONGEST_HEADLINE - 1] + "…"
    if line.isprintable():
        return line
    return " ".join("".join([character if character.isprintable() else " " for character in line]).split())


def _url(url: str) -> str:
    """The address, or nothing where it is longer than any that works or holds control characters."""
    return url if len(url) <= LONGEST_URL and url.isprintable() else ""


def _stars(given: float | str | None) -> tuple[float | None, Rejection | None]:
    """Stars from 0 to 5; what lies outside is of another scale and left out, what is no number is an error."""
    if given is None or given == "":
        return None, None
    try:
        stars = float(given)
    except ValueError:
        return None, Rejection("validate", "WrongType", "stars: expected a number")
    return (stars if 0 <= stars <= HIGHEST_STARS else None), None


def _flags(cleaned: CleanText, repaired: bool, truncated: bool, too_many: bool) -> tuple[str, ...]:
    """What was odd about the record, in alphabetical order."""
    if not (cleaned.flags or repaired or truncated or too_many):
        return ()
    odd = set(cleaned.flags)
    if repaired:
        odd.add("lone_surrogate")
    if truncated:
        odd.add("truncated")
    if too_many:
        odd.add("entities_cut")
    return tuple(sorted(odd))
