"""Who may look at the page and speak through it. Pure.

On loopback nobody is asked for a token unless one is set, but only names of loopback are answered to, so that no
web page can reach us through a name of its own. Elsewhere there is no page without a token.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress

from streams import tokens

COOKIE = "tocsin_page"
CONFIRMING_HEADER = "X-Tocsin"
"""No other site's page can set it without asking first, and it would ask in vain."""


class Access:
    """What is allowed on a server that listens on ``host``, with ``token`` (empty: none is set)."""

    def __init__(self, host: str, token: str) -> None:
        self._token = token
        self._local = is_loopback(host)

    @property
    def closed(self) -> bool:
        """Whether there is no page at all: open to others, and no token is set."""
        return not self._local and not self._token

    @property
    def asks(self) -> bool:
        """Whether a token is asked for."""
        return bool(self._token)

    @property
    def session(self) -> str:
        """What the browser keeps in place of the token."""
        return hmac.new(self._token.encode(), b"tocsin page session", hashlib.sha256).hexdigest()

    def answers_to(self, host: str) -> bool:
        """Whether a request to ``host`` (the header) is for us; with a token its cookie is bound to the name anyway."""
        return self.asks or is_loopback(name_of(host))

    def is_token(self, offered: str) -> bool:
        """Whether ``offered`` is the token."""
        return self.asks and tokens.same(offered, self._token)

    def admits(self, cookie: str, authorization: str) -> bool:
        """Whether a request with this cookie and Authorization header may pass."""
        if not self.asks:
            return not self.closed
        if tokens.same(cookie, self.session):
            return True
        return self.is_token(tokens.bearer(authorization))


def same_origin(origin: str, host: str) -> bool:
    """Whether a request that says to come from ``origin`` (empty: it does not say) comes from our own page.

    >>> same_origin("http://127.0.0.1:6066", "127.0.0.1:6066"), same_origin("https://evil.example", "127.0.0.1:6066")
    (True, False)
    """
    return not origin or origin.partition("://")[2] == host


def name_of(host: str) -> str:
    """The name in a Host header, without port and brackets.

    >>> name_of("[::1]:6066"), name_of("localhost:6066"), name_of("127.0.0.1")
    ('::1', 'localhost', '127.0.0.1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(name: str) -> bool:
    """Whether ``name`` means this machine only.

    >>> [is_loopback(name) for name in ("127.0.0.2", "localhost", "0.0.0.0", "localhost.evil.example")]
    [True, True, False, False]
    """
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
