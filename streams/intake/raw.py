"""Bytes from outside -> :class:`RawRecord`, or a refusal that names what is wrong.

Tolerant where meaning is clear (unknown fields, a number for an id, one name instead of a list), strict
where it is not: RFC 8259 JSON only, so no NaN, no Infinity, nothing behind the object. A key that occurs
twice counts with its last value. Lone surrogates in escapes are replaced by U+FFFD and reported.
"""

from __future__ import annotations

import re
from contextlib import suppress

import msgspec
from msgspec import Struct

from streams.records import Rejection

DEEPEST = 32
"""Brackets inside each other in one record; real records need three."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE_SURROGATE = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"  # a pair: stays
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"  # a half of one: goes
    rb"|(\\.)",  # any other escape, so that an escaped backslash does not start one
    re.DOTALL,
)
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # possessive: linear also where the quote is never closed
_BRACKET = re.compile(rb"[\[\]{}]")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class NamedEntity(Struct):
    """An entity as a record names it; ``start`` and ``end`` are code points in the record's own text."""

    name: str | None = None
    ticker: str | None = None
    start: int | None = None
    end: int | None = None


class RawRecord(Struct):
    """The input contract. Everything is optional here; what must be there is checked later."""

    text: str | None = None
    title: str | None = None
    body: str | None = None
    id: str | int | None = None
    published_at: str | int | float | None = None
    source: str | None = None
    url: str | None = None
    lang: str | None = None
    entities: list[NamedEntity | str | None] | NamedEntity | str | None = None
    tickers: list[str | None] | str | None = None
    stars: float | str | None = None
    product: str | None = None
    brand: str | None = None


class _OnlyId(Struct):
    id: str | int | None = None


_record = msgspec.json.Decoder(RawRecord)
_only_id = msgspec.json.Decoder(_OnlyId)


class Refused(Exception):
    """A record cannot become a document; carries the :class:`Rejection`. Never leaves ``streams.intake``."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


def decode(value: bytes | None, longest: int) -> tuple[RawRecord, bool]:
    """Read one JSON object of at most ``longest`` bytes; tells too whether lone surrogates were replaced.

    Raises:
        Refused: stage ``size``, ``decode`` (not JSON, not UTF-8, too deep) or ``validate`` (a field has a
            type that the contract does not know; the message names the field).
    """
    if not value:
        raise Refused(Rejection("decode", "EmptyRecord", "the record is empty"))
    if len(value) > longest:
        raise Refused(
            Rejection("size", "RecordTooLarge", f"{len(value)} bytes; intake.max_record_bytes allows {longest}")
        )
    if not value.isascii():
        value = _checked_utf8(value)
    if value.count(b"{") + value.count(b"[") > DEEPEST and _depth(value) > DEEPEST:
        raise Refused(Rejection("decode", "TooDeep", f"brackets are nested more than {DEEPEST} deep"))
    whole = _without_lone_surrogates(value)
    value, repaired = whole, whole is not value
    try:
        return _record.decode(value), repaired
    except msgspec.ValidationError as exc:
        raise Refused(_wrong_type(value, str(exc))) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Refused(Rejection("decode", "NotJson", str(exc)[:300])) from exc


def id_of(value: bytes) -> str | int | None:
    """The id that a record gives itself, in its own type, also where the record is otherwise unusable."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        known = _only_id.decode(_without_lone_surrogates(value)).id
        return None if known == "" else known
    return None


def _checked_utf8(value: bytes) -> bytes:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise Refused(Rejection("decode", "NotUtf8", f"byte {exc.start} is not UTF-8: {exc.reason}")) from exc
    return value.removeprefix(_BYTE_ORDER_MARK)


def _depth(value: bytes) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", value)):
        if bracket[0] in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _without_lone_surrogates(value: bytes) -> bytes:
    """``value`` itself where there are none."""
    if _SURROGATE.search(value) is None:
        return value
    whole = _LONE_SURROGATE.sub(_replace_lone, value)
    return value if whole == value else whole


def _replace_lone(match: re.Match[bytes]) -> bytes:
    return match[1] or match[2] or rb"\ufffd"


def _wrong_type(value: bytes, problem: str) -> Rejection:
    """``problem`` is msgspec's and holds types and a path, never a value."""
    message, _, path = problem.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    if not field:
        return Rejection("decode", "NotAnObject", message)
    known = id_of(value)
    return Rejection("validate", "WrongType", f"{field}: {message}", None if known is None else str(known)[:200])
