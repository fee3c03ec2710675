"""Looking back from the page: what is found, what an alert leads to, and what an archived document cannot do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from playwright.async_api import Browser, Page, expect

from models.registry import Registry
from models.scorer import Scorer
from streams.archive.questions import embedded
from streams.demo.run import WATCHLIST
from streams.records import ScoredDocument
from tests.streams.archive.library import Room, encoded
from tests.streams.page.newsroom import MONDAY, Newsroom
from tests.streams.page.test_browser import ATTACKS

pytestmark = pytest.mark.timeout(300)


class Keeping(Newsroom):
    """A newsroom whose documents are kept as they are published."""

    def __init__(self, shelf: Room, watchlist: Path | None = WATCHLIST) -> None:
        super().__init__(watchlist, archive=shelf.path)
        self._shelf = shelf

    def publish(self, documents: list[ScoredDocument]) -> None:  # type: ignore[override]
        told = [
            msgspec.structs.replace(one, text=f"{one.title}\nA reporter looked into it. " + "More of it. " * 40)
            for one in documents
        ]
        self._shelf.keep(*told)
        super().publish(documents)


@pytest.fixture
def shelf(tmp_path: Path) -> Room:
    return Room(tmp_path)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def kept(shelf: Room) -> Keeping:
    room = Keeping(shelf)
    room.live_through(1.2, {"ovenna": 6, "tarnfield": 4})
    room.crisis("ovenna")
    return room


async def test_an_alert_leads_to_what_it_rang_for(tab: Page, shelf: Room) -> None:
    room = kept(shelf)
    async with room.open() as url:
        await tab.goto(url)
        alert = tab.locator(".alert.firing", has_text="Ovenna Home").first
        await alert.get_by_role("button", name="Documents").click()
        sheet = tab.locator("#archive")
        await expect(sheet.locator(".scope")).to_contain_text("What rang: Ovenna Home")
        await expect(sheet.locator(".found").first).to_contain_text("bursts in a kitchen")
        assert await sheet.locator(".found.negative").count() >= 10
        await expect(sheet.locator("#archive-status")).to_contain_text("the newest first")

        await tab.get_by_label("Look everywhere").click()
        await tab.locator("#archive-words").fill("notes tarnfield")
        await expect(sheet.locator(".found").first).to_contain_text("Notes on tarnfield")
        await expect(sheet.locator(".found .told mark").first).to_have_text("Notes")
        await expect(sheet.locator(".found mark").first).to_have_text("Notes")
        await expect(sheet.locator("#archive-status")).to_contain_text("no document carries an embedding")
        await sheet.get_by_role("button", name="Positive").click()
        await expect(sheet.locator(".found.negative")).to_have_count(0)
        await expect(sheet.locator(".found.positive").first).to_be_visible()
        await tab.locator("#archive-words").fill("zebra")
        await expect(sheet.locator(".lead")).to_have_text("Nothing found.")
        await tab.keyboard.press("Escape")  # empties the box, as everywhere
        await expect(sheet.locator(".found").first).to_be_visible()
        await tab.keyboard.press("Escape")
        await expect(sheet).to_be_hidden()


async def test_what_an_archived_document_says_stays_text(tab: Page, shelf: Room) -> None:
    room = Keeping(shelf, watchlist=None)
    hostile = "kettle " + "".join(ATTACKS) + "\ue000kettle\ue001 \ue000<i>"
    room.publish(
        [
            room.document(
                ATTACKS[0], "negative", MONDAY, title=hostile, source=ATTACKS[1], name=ATTACKS[2], topic=ATTACKS[1],
                url="javascript:window.stolen='url'",
            )
        ]
    )  # fmt: skip
    async with room.open() as url:
        await tab.goto(url)
        await expect(tab.locator("#link")).to_have_text("live")
        await tab.keyboard.press("s")
        sheet = tab.locator("#archive")
        for typed in ("kettle", "<script>window.stolen='typed'</script> kettle", '"><img src=x onerror=stolen=1> OR *'):
            await tab.locator("#archive-words").fill(typed)
            await expect(sheet.locator("#archive-list")).not_to_have_attribute("aria-busy", "true")
            await expect(sheet.locator(".found .told")).to_contain_text(ATTACKS[0])
        await expect(sheet.locator(".found .from")).to_contain_text(ATTACKS[1])
        await sheet.locator("summary").click()
        await expect(sheet.locator(".whole")).to_contain_text(ATTACKS[2])
        assert await tab.evaluate("window.stolen ?? null") is None
        assert await sheet.locator("a, img, script, i, [onerror], [onload]").count() == 0
        assert not {"\u202e", "\x1b", "\x07"} & set(await sheet.inner_text())


async def test_the_keyboard_is_enough_to_look_back(tab: Page, shelf: Room) -> None:
    room = kept(shelf)
    room.publish([room.document("ovenna", "neutral", room.clock, title="Linked kettle", url="https://example.org/a")])
    async with room.open() as url:
        await tab.goto(url)
        await expect(tab.locator("#link")).to_have_text("live")
        await tab.keyboard.press("s")
        async with tab.expect_response("**/documents?*question=linked*"):
            await tab.keyboard.type("linked")
        await expect(tab.locator(".found .told").first).to_have_text("Linked kettle")
        await tab.keyboard.press("ArrowDown")
        assert await tab.evaluate("document.activeElement.href") == "https://example.org/a"
        async with tab.expect_response("**/documents?*"):
            await tab.evaluate("document.querySelector('#archive-period').dispatchEvent(new Event('change'))")
        await expect(tab.locator("#archive-list")).not_to_have_attribute("aria-busy", "true")
        assert await tab.evaluate("document.activeElement.href") == "https://example.org/a", "an answer moves nobody"
        await tab.keyboard.press("ArrowDown")
        await tab.keyboard.press("Enter")
        await expect(tab.locator(".found .whole").first).to_be_visible()
        await tab.keyboard.press("Escape")
        await expect(tab.locator("#archive")).to_be_hidden()
        await tab.keyboard.press("s")
        await expect(tab.locator("#archive")).to_be_visible()
        assert await tab.evaluate("document.activeElement.id") == "archive-words"


async def test_a_key_is_heard_in_the_moment_after_the_archive_was_closed(tab: Page) -> None:
    """Until the next frame the closed dialog still holds the focus."""
    async with Newsroom().open() as url:
        await tab.goto(url)
        await tab.locator("#find").click()
        await expect(tab.locator("#archive .lead")).to_have_text("No archive here.")
        assert await tab.evaluate("""() => {
            const dialog = document.querySelector("#archive"), at = document.querySelector("#archive-words");
            dialog.close();
            at.dispatchEvent(new KeyboardEvent("keydown", { key: "s", bubbles: true, cancelable: true }));
            return dialog.open;
        }""")
        await expect(tab.locator("#archive-status")).to_be_empty()


async def test_without_an_archive_it_is_said_how_to_have_one(tab: Page) -> None:
    async with Newsroom().open() as url:
        await tab.goto(url)
        await tab.locator("#find").click()
        await expect(tab.locator("#archive .lead")).to_have_text("No archive here.")
        await expect(tab.locator("#archive .empty")).to_contain_text("tocsin archive")
    await tab.locator("#archive-words").fill("anything")
    await expect(tab.locator("#archive .lead")).to_have_text("No answer.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_looking_back_fits_a_phone(browser: Browser, shelf: Room, scheme: str) -> None:
    room = kept(shelf)
    room.crisis("ovenna", title="W" * 200)
    async with room.open() as url:
        page = await browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)  # type: ignore[arg-type]
        await page.goto(url)
        await page.locator("#find").click()
        await expect(page.locator(".found").first).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        assert await page.evaluate("document.querySelector('#archive-list').scrollWidth") <= 360
        box = await page.locator("#archive-words").bounding_box()
        assert box is not None
        assert box["width"] > 250
        await page.close()


async def test_the_worker_embeds_the_question_by_its_own_release(
    http: aiohttp.ClientSession, shelf: Room, tiny_registry: Path
) -> None:
    scorer = Scorer.load(Registry(tiny_registry).resolve("champion"), provider="cpu")
    room = Newsroom(archive=shelf.path)
    texts = ["shares fall on a loss", "kettles and pans", "a match is won"]
    for text in texts:
        vector = embedded(scorer, text)
        told = room.document("acme", "neutral", MONDAY, title=text)
        shelf.keep(msgspec.structs.replace(told, text=text, release=scorer.release, embedding=encoded(vector)))
    async with room.open() as url:
        for scorers, notes in (((), 1), ((scorer,), 0)):
            room.page.archive.scorers = lambda scorers=scorers: scorers
            async with http.get(f"{url}/documents", params={"question": texts[1], "how": "meaning"}) as answer:
                found = await answer.json()
            assert len(found["notes"]) == notes
            assert [one["title"] for one in found["documents"]][:1] == texts[1:2] * (1 - notes)


async def test_what_cannot_be_asked_is_an_answer_and_no_crash(http: aiohttp.ClientSession, shelf: Room) -> None:
    async with kept(shelf).open() as url:
        for given, status in (
            ({"how": "magic"}, 400),
            ({"since": "yesterday"}, 400),
            ({"series": "entity:nobody"}, 400),
            ({"question": "?", "how": "words"}, 400),
            ({"sentiment": "angry"}, 400),
            ({"question": "kettle " * 1_000, "unknown": "x"}, 200),
        ):
            async with http.get(f"{url}/documents", params=given) as answer:
                assert answer.status == status, given
                assert answer.headers["Content-Security-Policy"]


async def test_too_many_questions_at_once_are_put_off(
    http: aiohttp.ClientSession, shelf: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.page.looking.MOST_AT_ONCE", 0)
    async with kept(shelf).open() as url, http.get(f"{url}/documents") as answer:
        assert answer.status == 503
