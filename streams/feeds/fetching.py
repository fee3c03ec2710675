"""Asking a server for its feed: once, politely, for so long and for so many bytes."""

from __future__ import annotations

import asyncio
import email.utils
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from streams.feeds.addresses import PrivateAddressError, public_socket
from streams.feeds.settings import FeedsSettings
from streams.feeds.sources import LONGEST_URL, Feed
from streams.operate.terminal import harmless

MOST_REDIRECTS = 5
LONGEST_WAIT = 86_400.0
"""Seconds that a server can ask us to stay away."""
LONGEST_VALIDATOR = 1_024
PIECE = 65_536
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACCEPT = "application/rss+xml, application/atom+xml, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.8"


class FeedFailure(Exception):
    """A feed could not be had, and why; ``wait_seconds`` is what its server asks for before the next try."""

    def __init__(self, reason: str, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_seconds = wait_seconds


@dataclass(frozen=True)
class Answer:
    """What a server said. ``body`` is ``None`` where nothing has changed since ``etag`` or ``modified``."""

    url: str
    body: bytes | None
    content_type: str = ""
    etag: str = ""
    modified: str = ""
    received: int = 0


class Fetcher:
    """Asks for feeds, of public addresses only; hosts that the settings name may lie elsewhere."""

    def __init__(self, settings: FeedsSettings) -> None:
        self._settings = settings
        self._private_hosts = frozenset(host.lower().rstrip(".") for host in settings.private_hosts)
        # Looking a name up blocks a thread for as long as its owner likes: there is one for every request.
        self._threads = ThreadPoolExecutor(settings.at_once, "lookup")
        asyncio.get_running_loop().set_default_executor(self._threads)
        self._public = self._session(socket_factory=public_socket)
        self._private = self._session()

    def _session(self, **options: Any) -> aiohttp.ClientSession:
        contact = f" (+{self._settings.contact})" if self._settings.contact else ""
        return aiohttp.ClientSession(
            # A connection is made for each request: what is checked when it is opened holds for all that it carries.
            connector=aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False, **options),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_seconds),
            headers={
                "User-Agent": f"tocsin/{version('tocsin')}{contact}",
                "Accept": _ACCEPT,
                "Accept-Encoding": "gzip",
            },
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._public.close()
        await self._private.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def fetch(self, feed: Feed, etag: str = "", modified: str = "") -> Answer:
        """Ask for ``feed``, unless it is as ``etag`` and ``modified`` say.

        Raises:
            FeedFailure: there is no answer that can be used, for whatever reason.
        """
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                return await self._follow(feed, etag, modified)
        except TimeoutError:
            raise FeedFailure(f"not done within {self._settings.timeout_seconds:g} s") from None
        except FeedFailure:
            raise
        except aiohttp.ClientConnectorCertificateError:
            raise FeedFailure("its certificate does not hold") from None
        except aiohttp.ClientConnectorError as exc:
            if isinstance(exc.os_error, PrivateAddressError):
                raise FeedFailure(f"refused: {exc.os_error.strerror}; see feeds.private_hosts") from None
            raise FeedFailure(f"no connection: {harmless(exc.os_error.strerror or type(exc).__name__)}") from None
        except Exception as exc:
            # Whatever a library raises on a stranger's answer, one feed is lost and the others are not. The text stays
            # out of it: it may quote an address with a token in it.
            raise FeedFailure(f"the answer cannot be used ({type(exc).__name__})") from None

    async def _follow(self, feed: Feed, etag: str, modified: str) -> Answer:
        url = feed.url
        for _ in range(MOST_REDIRECTS + 1):
            headers = {}
            if url == feed.url:  # what another address has is another thing
                headers = {"If-None-Match": etag} if etag else {}
                headers |= {"If-Modified-Since": modified} if modified else {}
            async with self._session_for(feed, url).get(url, headers=headers, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return await self._read(url, response)
                url = _target(url, response.headers.get("Location", ""))
        raise FeedFailure(f"more than {MOST_REDIRECTS} redirects")

    def _session_for(self, feed: Feed, url: str) -> aiohttp.ClientSession:
        """A stranger who redirects to a host of our own is held to public addresses, as for every other host."""
        host = (urlsplit(url).hostname or "").rstrip(".")
        return self._private if {host, feed.host} <= self._private_hosts else self._public

    async def _read(self, url: str, response: aiohttp.ClientResponse) -> Answer:
        etag, modified = _validator(response, "ETag"), _validator(response, "Last-Modified")
        if response.status == 304:
            return Answer(url, None, etag=etag, modified=modified)
        if response.status != 200:
            raise FeedFailure(f"status {response.status}", _wait_asked_for(response))
        most = self._settings.max_bytes
        if (response.content_length or 0) > most:
            raise FeedFailure(f"larger than feeds.max_bytes ({most})")
        body, received = bytearray(), 0
        async for piece, taken in _unpacked(response):
            received += taken
            body += piece
            if max(len(body), received) > most:
                raise FeedFailure(f"larger than feeds.max_bytes ({most})")
        return Answer(url, bytes(body), response.headers.get("Content-Type", "")[:200], etag, modified, received)


async def _unpacked(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[bytes, int]]:
    """The body, piece by piece, none much longer than ``PIECE``, and how many received bytes each took."""
    packing = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packing not in ("", "identity", "gzip", "x-gzip"):
        raise FeedFailure("packed in a way that was not asked for")
    unpacker = zlib.decompressobj(31) if "gzip" in packing else None
    async for received in response.content.iter_chunked(PIECE):
        if unpacker is None:
            yield received, len(received)
            continue
        taken, rest = len(received), received
        while rest or unpacker.unconsumed_tail:
            if unpacker.eof:  # a further member
                unpacker = zlib.decompressobj(31)
            try:
                piece = unpacker.decompress(rest or unpacker.unconsumed_tail, PIECE)
            except zlib.error as exc:
                raise FeedFailure("it is not gzip, as it says") from exc
            rest = unpacker.unconsumed_tail or unpacker.unused_data
            yield piece, taken
            taken = 0
    if unpacker is not None and not unpacker.eof:
        raise FeedFailure("it ends in the middle")


def _target(url: str, location: str) -> str:
    target = urljoin(url, location)
    parts = urlsplit(target)
    if not location or len(target) > LONGEST_URL or parts.scheme not in ("http", "https") or not parts.hostname:
        raise FeedFailure("redirected to no http(s) address")
    if urlsplit(url).scheme == "https" and parts.scheme == "http":
        raise FeedFailure("redirected from https to http")
    return target


def _validator(response: aiohttp.ClientResponse, name: str) -> str:
    value = response.headers.get(name, "")
    return value if len(value) <= LONGEST_VALIDATOR and value.isprintable() else ""


def _wait_asked_for(response: aiohttp.ClientResponse) -> float:
    """Seconds of the answer's Retry-After, which is a number or a date; 0 where there is none."""
    value = response.headers.get("Retry-After", "").strip()[:64]
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT)
    try:
        then = email.utils.parsedate_to_datetime(value)
        now = email.utils.parsedate_to_datetime(response.headers.get("Date", "") or email.utils.formatdate(usegmt=True))
        return min(max((then - now).total_seconds(), 0.0), LONGEST_WAIT)
    except (TypeError, ValueError):
        return 0.0
