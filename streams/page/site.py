"""The page's routes: its files, the stream of server-sent events, one series, and people's word on an alert."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from streams import logs
from streams.errors import DeliveryError, InputError, SettingsError
from streams.operate.terminal import harmless
from streams.page.access import CONFIRMING_HEADER, COOKIE, Access, same_origin
from streams.page.live import LivePage
from streams.page.looking import Busy
from streams.records import AlertFeedback, Verdict

MOST_LOOKERS = 32
MOST_BODY = 8_192
LONGEST_SERIES = 500
SEND_SECONDS = 15.0
"""A client that takes nothing for so long is let go; a word that is not acknowledged by then is told so."""
WRONG_TOKEN_SECONDS = 1.0
FILES = Path(__file__).parent / "static"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = logs.get(__name__)


class Word(msgspec.Struct, forbid_unknown_fields=True):
    """The body of what a person says of an alert."""

    verdict: Verdict
    by: str = ""
    note: str = ""


class Site:
    """The routes of ``page``, for those whom ``access`` admits."""

    def __init__(self, page: LivePage, access: Access) -> None:
        self._page = page
        self._access = access
        self._files = {path.name: path.read_bytes() for path in sorted(FILES.iterdir()) if path.suffix in KINDS}
        self._tags = {name: f'"{hashlib.sha256(data).hexdigest()[:20]}"' for name, data in self._files.items()}

    def add_to(self, app: web.Application) -> None:
        """Put the routes on ``app``; its shutdown ends the streams of events."""
        app.add_routes(
            [
                web.get("/", self._guarded(self._index)),
                web.get("/login", self._guarded(self._login, public=True)),
                web.post("/login", self._guarded(self._enter, public=True)),
                web.get("/page/{name}", self._guarded(self._file, public=True)),
                web.get("/events", self._guarded(self._events)),
                web.get("/series", self._guarded(self._series)),
                web.get("/search", self._guarded(self._search)),
                web.get("/documents", self._guarded(self._documents)),
                web.post("/alerts/{alert_id}", self._guarded(self._say)),
            ]
        )

        async def end(_: web.Application) -> None:
            self._page.close()

        app.on_shutdown.append(end)

    def _guarded(self, handler: Handler, *, public: bool = False) -> Handler:
        """``handler`` behind the checks that every request must pass; ``public`` needs no token."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            access = self._access
            if access.closed:
                return _plain(403, "This page is open to others, so it needs a token: set web.token_file.")
            if not access.answers_to(request.headers.get("Host", "")):
                return _plain(421, "This page answers to names of this machine only.")
            if not public and not access.admits(
                request.cookies.get(COOKIE, ""), request.headers.get("Authorization", "")
            ):
                if request.path == "/":
                    raise web.HTTPSeeOther("/login", headers=HEADERS)
                return _plain(401, "A token is needed.")
            return await handler(request)

        return guarded

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return self._served("index.html", request)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in self._files or name.endswith(".html"):
            return _plain(404, "There is no such file.")
        return self._served(name, request)

    def _served(self, name: str, request: web.Request) -> web.Response:
        headers = {**HEADERS, "ETag": self._tags[name], "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == self._tags[name]:
            return web.Response(status=304, headers=headers)
        kind = KINDS[Path(name).suffix]
        return web.Response(body=self._files[name], headers=headers, content_type=kind, charset="utf-8")

    # The token

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if not self._access.asks:
            raise web.HTTPSeeOther("/", headers=HEADERS)
        return self._served("login.html", request)

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        if not same_origin(request.headers.get("Origin", ""), request.headers.get("Host", "")):
            return _plain(403, "Another site sent this.")
        offered = (await request.post()).get("token", "")
        if not isinstance(offered, str) or not self._access.is_token(offered.strip()):
            await asyncio.sleep(WRONG_TOKEN_SECONDS)
            log.warning("a wrong token was offered to the page", remote=request.remote)
            raise web.HTTPSeeOther("/login#wrong", headers=HEADERS)
        admitted = web.HTTPSeeOther("/", headers=HEADERS)
        admitted.set_cookie(
            COOKIE, self._access.session, httponly=True, samesite="Strict", secure=request.secure, path="/"
        )
        raise admitted

    # What is shown

    async def _events(self, request: web.Request) -> web.StreamResponse:
        page = self._page
        if page.lookers >= MOST_LOOKERS:
            return _plain(503, "Too many pages are open.")
        page.lookers += 1
        try:
            answer = web.StreamResponse(
                headers={**HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store"}
            )
            await answer.prepare(request)
            await page.refresh()
            version = -1
            while not page.closing:
                frame = page.frame(version)
                version = frame.version
                await asyncio.wait_for(answer.write(b"data: " + _encoder.encode(frame) + b"\n\n"), SEND_SECONDS)
                await page.turned()
            return answer
        except (ConnectionError, TimeoutError):
            return answer
        finally:
            page.lookers -= 1

    async def _series(self, request: web.Request) -> web.StreamResponse:
        found = await self._page.detail(request.query.get("name", "")[:LONGEST_SERIES])
        if found is None:
            return _plain(404, "No watcher of this worker has that series.")
        return _json(found)

    async def _search(self, request: web.Request) -> web.StreamResponse:
        words = request.query.get("words", "").strip()[:LONGEST_SERIES]
        return _json(await self._page.find(words) if words else [])

    async def _documents(self, request: web.Request) -> web.StreamResponse:
        try:
            return _json(await self._page.archive.ask(request.query))
        except (InputError, SettingsError) as exc:
            return _json({"error": str(exc)}, 404 if not self._page.archive.there else 400)
        except Busy:
            return _json({"error": "others are looking just now; ask again in a moment"}, 503)

    # What is said

    async def _say(self, request: web.Request) -> web.StreamResponse:
        headers = request.headers
        if not same_origin(headers.get("Origin", ""), headers.get("Host", "")) or CONFIRMING_HEADER not in headers:
            return _plain(403, "Only the page itself may say this.")
        alert_id = request.match_info["alert_id"]
        if not self._page.board.knows(alert_id):
            return _plain(404, "There is no such alert on the page.")
        try:
            word = _words.decode(await request.content.read(MOST_BODY))
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            return _plain(400, "Say acknowledge, dismiss or confirm.")
        feedback = AlertFeedback(
            alert_id,
            word.verdict,
            harmless(word.by, 100) or "somebody at the page",
            harmless(word.note, 1_000),
            time.time_ns() // 1_000_000,
        )
        saying = asyncio.ensure_future(self._page.say(feedback))
        done, _ = await asyncio.wait({saying}, timeout=SEND_SECONDS)
        if not done:
            saying.add_done_callback(_forget)
            return _plain(503, "The broker has not acknowledged it yet.")
        try:
            saying.result()
        except DeliveryError as exc:
            log.warning("a word on an alert could not be sent", reason=str(exc)[:200])
            return _plain(503, "The broker did not take it.")
        return _json({"said": feedback.verdict})


def _forget(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.warning("a word on an alert could not be sent", reason=repr(task.exception())[:200])


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, headers={**HEADERS, "Cache-Control": "no-store"})


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=_encoder.encode(value),
        headers={**HEADERS, "Cache-Control": "no-store"},
        content_type="application/json",
    )


_encoder = msgspec.json.Encoder()
_words = msgspec.json.Decoder(Word)
