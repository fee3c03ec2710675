"""Tokens that open the page and the endpoint: read from a file, and recognised without telling how much was right."""

from __future__ import annotations

import hmac
from pathlib import Path

SHORTEST = 16
"""Characters of a token; shorter ones can be guessed."""


def read_token(path: Path) -> str:
    """The token that a file holds.

    Raises:
        OSError, UnicodeError: it cannot be read.
    """
    return path.read_text(encoding="utf-8").strip()


def same(offered: str, token: str) -> bool:
    """Whether ``offered`` is the token, in a time that does not depend on where they differ."""
    return hmac.compare_digest(offered.encode(), token.encode())


def bearer(authorization: str) -> str:
    """The token of an Authorization header; empty where it has none.

    >>> bearer("Bearer abc"), bearer("Basic abc")
    ('abc', '')
    """
    kind, _, offered = authorization.partition(" ")
    return offered.strip() if kind.lower() == "bearer" else ""
