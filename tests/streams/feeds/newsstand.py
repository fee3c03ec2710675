"""A server of feeds on loopback addresses: good ones, slow ones, huge, malformed and hostile ones.

Runs in a thread of its own. Each path says what is served there; every address of 127.0.0.0/8 that it is given answers,
so that one machine can be many hosts.
"""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape

from aiohttp import web

from deploy.kafka.kafka import free_port

DATE = "Mon, 02 Mar 2026 08:00:00 GMT"
ETAG = '"one"'


def item(number: int, title: str = "Acme falls", text: str = "Shares of Acme fell.", date: str = DATE) -> str:
    dated = f"<pubDate>{date}</pubDate>" if date else ""
    return (
        f"<item><title>{title} {number}</title><link>https://news.example/{number}</link>"
        f"<guid>g{number}</guid>{dated}<description>{escape(text)}</description></item>"
    )


def rss(items: Sequence[str], head: str = "", title: str = "The Example") -> str:
    return (
        f'<?xml version="1.0"?>{head}<rss version="2.0"><channel><title>{title}</title>{"".join(items)}</channel></rss>'
    )


ATOM = """<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Atom</title>
<entry><id>urn:1</id><title type="html">Acme &lt;b&gt;rises&lt;/b&gt;</title>
<updated>2026-03-02T08:00:00Z</updated><link href="https://news.example/atom/1"/>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>First.</p><p>Second.</p></div></content></entry>
</feed>"""
LAUGHS = (
    '<!DOCTYPE rss [<!ENTITY l0 "lol">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)) + "]>"
)
FILE_ENTITY = '<!DOCTYPE rss [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
SCRIPT = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;Acme"

BODIES: dict[str, tuple[str, bytes]] = {
    "good": ("application/rss+xml", rss([item(n) for n in range(20)]).encode()),
    "atom": ("application/atom+xml", ATOM.encode()),
    "latin1": ("application/rss+xml; charset=iso-8859-1", rss([item(1, "Café")]).encode("latin-1")),
    "utf16": ("application/rss+xml", rss([item(1, "Café")]).encode("utf-16")),
    "undeclared": ("application/rss+xml", rss([item(1, "Café")]).encode("cp1252")),
    "untyped": ("image/png", rss([item(1)]).encode()),
    "undated": ("application/rss+xml", rss([item(1, date=""), item(2)]).encode()),
    "xss": ("application/rss+xml", rss([item(1, SCRIPT, "<script>alert(3)</script><p>Fell &amp; rose.</p>")]).encode()),
    "stray": ("application/rss+xml", rss([item(1, "Acme & Sons &nbsp; < Co")]).encode()),
    "torn": ("application/rss+xml", rss([item(1), item(2)]).encode()[:-60]),
    "huge": ("application/rss+xml", rss([item(n, text="Down it went. " * 40) for n in range(5_000)]).encode()),
    "page": ("text/html", b"<!DOCTYPE html><html><head><title>x</title></head><body>no feed</body></html>"),
    "picture": ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40),
    "empty": ("application/rss+xml", b""),
    "laughs": ("application/rss+xml", rss([item(1, "&l9;")], LAUGHS).encode()),
    "laughs16": ("application/rss+xml", rss([item(1, "&l9;")], LAUGHS).encode("utf-16")),
    "entity": ("application/rss+xml", rss([item(1, "&f;")], FILE_ENTITY).encode()),
    "attributes": ("application/rss+xml", b"<rss " + b" ".join(b'a%d="1"' % n for n in range(200_000)) + b">"),
    "unclosed": ("application/rss+xml", b"<rss><channel>&<item>" + b"<a>" * 1_300_000),
    "deep": ("application/rss+xml", b"<rss><channel><item>" + b"<a>" * 300_000),
}
STATUSES = {"missing": 404, "broken": 500, "gone": 410}
TARGETS = {
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "mapped": "http://[::ffff:127.0.0.1]/",
    "file": "file:///etc/passwd",
    "loop": "loop",
}
HARMLESS = ("good", "atom", "latin1", "utf16", "undeclared", "untyped", "xss", "stray", "torn", "huge", "late")
HOSTILE = (
    *(
        "page",
        "picture",
        "empty",
        "laughs",
        "laughs16",
        "entity",
        "attributes",
        "unclosed",
        "deep",
        *STATUSES,
        *TARGETS,
    ),
    *("bomb", "endless", "drip", "silent", "headers", "short", "announced"),
)


class Newsstand:
    """``asked`` counts requests by path; ``now_serving`` gives further paths a body while it runs."""

    def __init__(self, late_seconds: float = 1.0) -> None:
        self.asked: Counter[str] = Counter()
        self.most_together = 0
        self.seen: list[dict[str, str]] = []
        self.now_serving: dict[str, tuple[str, bytes]] = {}
        self.port = free_port()
        self._late = late_seconds
        self._together: Counter[str] = Counter()
        # A megabyte that is a gigabyte.
        self._bomb = (
            gzip.compress(b"<rss><channel><item><title>" + bytes(64 * 1024 * 1024))
            + gzip.compress(bytes(64 * 1024 * 1024)) * 15
        )

    async def answer(self, request: web.Request) -> web.StreamResponse:
        kind, host = request.match_info["kind"], request.host
        self.asked[kind] += 1
        self.seen.append({**request.headers, "path": kind})
        self._together[host] += 1
        self.most_together = max(self.most_together, self._together[host])
        try:
            return await self._answer(request, kind)
        except ConnectionError:  # it hung up, as it should
            return web.Response()
        finally:
            self._together[host] -= 1

    async def _answer(self, request: web.Request, kind: str) -> web.StreamResponse:
        if kind in STATUSES:
            return web.Response(status=STATUSES[kind])
        if kind in TARGETS:
            return web.Response(status=302, headers={"Location": TARGETS[kind]})
        if kind == "busy":
            return web.Response(status=429, headers={"Retry-After": "3600"})
        if kind == "conditional":
            if request.headers.get("If-None-Match") == ETAG:
                return web.Response(status=304)
            return web.Response(body=BODIES["good"][1], headers={"ETag": ETAG, "Last-Modified": DATE})
        if kind == "late":
            await asyncio.sleep(self._late)
            kind = "good"
        if kind == "silent":
            await asyncio.sleep(3600)
        if kind == "announced":
            return await self._pour(request, {"Content-Length": str(1 << 40)}, b"x" * 65_536)
        if kind == "short":
            return await self._pour(request, {"Content-Length": "100000"}, BODIES["good"][1], times=1)
        if kind == "bomb":
            return await self._pour(request, {"Content-Encoding": "gzip"}, self._bomb, times=1)
        if kind == "endless":
            return await self._pour(request, {}, b"<item><title>more</title></item>" * 2_000)
        if kind == "drip":
            return await self._pour(request, {}, b"<", seconds=0.2)
        if kind == "headers":
            return await self._flood(request)
        content_type, body = self.now_serving.get(kind) or BODIES[kind]
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _pour(
        self, request: web.Request, headers: dict[str, str], piece: bytes, times: int = 1 << 40, seconds: float = 0
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        for _ in range(times):
            await response.write(piece)
            await asyncio.sleep(seconds)
        if request.transport is not None:
            request.transport.close()
        return response

    async def _flood(self, request: web.Request) -> web.StreamResponse:
        """Headers without an end."""
        assert request.transport is not None
        transport: asyncio.Transport = request.transport  # type: ignore[assignment]
        transport.write(b"HTTP/1.1 200 OK\r\n")
        while not transport.is_closing():
            transport.write(b"X-More: and more\r\n" * 1_000)
            await asyncio.sleep(0.01)
        raise ConnectionResetError

    def url(self, kind: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{kind}"


@contextmanager
def open_newsstand(hosts: Sequence[str] = ("127.0.0.1",), late_seconds: float = 1.0) -> Iterator[Newsstand]:
    """A newsstand at every one of ``hosts``, on one port."""
    stand = Newsstand(late_seconds)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="newsstand", daemon=True)
    thread.start()

    def done(work: Callable[[], object]) -> object:
        return asyncio.run_coroutine_threadsafe(work(), loop).result(30)  # type: ignore[arg-type]

    app = web.Application()
    app.add_routes([web.get("/{kind}", stand.answer)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        for host in hosts:
            await web.TCPSite(runner, host, stand.port).start()

    async def stop() -> None:
        await runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    done(start)
    try:
        yield stand
    finally:
        done(stop)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
