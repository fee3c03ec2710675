"""The page in a real browser: what it shows, that it follows the stream, and what hostile text cannot do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from streams.demo.run import WATCHLIST
from tests.streams.page.newsroom import Newsroom

pytestmark = pytest.mark.timeout(300)

ATTACKS = (
    "<img src=x onerror=\"window.stolen='img'\">",
    "<script>window.stolen='script'</script>",
    "</p><svg onload=\"window.stolen='svg'\">",
    "${window.stolen='template'}",
    "\u202egnihton\u0007\x1b[31m",
)


def newsroom(days: float = 1.3, watchlist: Path | None = WATCHLIST) -> Newsroom:
    room = Newsroom(watchlist)
    room.live_through(days, {"ovenna": 6, "tarnfield": 4})
    return room


async def test_an_alert_opens_with_its_evidence_and_a_word_on_it_comes_back(tab: Page) -> None:
    room = newsroom()
    async with room.open() as url:
        await tab.goto(url)
        await expect(tab.locator("#alert-list .lead")).to_have_text("All quiet.")
        await expect(tab.locator("#series-list .name").get_by_text("Ovenna Home", exact=True)).to_be_visible()
        await expect(tab.locator("#link")).to_have_text("live")

        room.crisis("ovenna")
        alert = tab.locator(".alert.firing", has_text="Ovenna Home").first
        await expect(alert).to_be_visible()
        await expect(alert.locator(".quotes")).to_contain_text("Kettle of ovenna bursts in a kitchen")
        await expect(tab).to_have_title(re.compile(r"\(\d\) tocsin"))
        await expect(tab.locator(".detail h3")).to_have_text("Ovenna Home")
        await expect(tab.locator("svg.day rect.bar.loud").first).to_be_visible()

        await alert.get_by_role("button", name="Acknowledge").click()
        await tab.get_by_label("Your name").fill("Ada")
        await tab.get_by_label("Note").fill("calling the desk")
        await tab.locator("#say-send").click()
        await expect(tab.locator("#say")).to_be_hidden()
        [word] = room.broker.said
        assert (word.verdict, word.by, word.note) == ("acknowledge", "Ada", "calling the desk")
        await expect(alert.locator(".said")).to_have_count(0)
        room.hand_back()
        await expect(alert.locator(".said")).to_have_text("Acknowledged by Ada: calling the desk")
        await expect(alert.get_by_role("button", name="Acknowledge")).to_be_disabled()

        await alert.get_by_role("button", name="Dismiss").click()
        await tab.locator("#say-send").click()
        await expect(tab.locator("#say")).to_be_hidden()
        room.hand_back()
        await expect(alert).to_be_hidden()
        await tab.get_by_role("button", name="Over").click()
        await expect(tab.locator(".alert.dismissed", has_text="Ovenna Home").first).to_be_visible()


async def test_an_alert_that_resolves_moves_to_what_is_over(tab: Page) -> None:
    room = newsroom()
    room.crisis("tarnfield")
    async with room.open() as url:
        await tab.goto(url)
        alert = tab.locator(".alert", has_text="Tarnfield Bank").first
        await expect(alert).to_be_visible()
        room.live_through(0.2, {"ovenna": 6, "tarnfield": 4})
        await expect(tab.locator("#alert-list .lead")).to_have_text("All quiet.")
        await tab.get_by_role("button", name="Over").click()
        await expect(tab.locator(".alert.over", has_text="Tarnfield Bank").first).to_contain_text("over, quiet again")


async def test_what_a_document_says_stays_text(tab: Page) -> None:
    room = newsroom(watchlist=None)
    hostile = "".join(ATTACKS)
    room.crisis("ovenna", title=hostile, source=ATTACKS[0], name=ATTACKS[1], url="javascript:window.stolen='url'")
    room.crisis(f"evil{ATTACKS[0]}", title=hostile, topic=ATTACKS[2])
    async with room.open() as url:
        await tab.goto(url)
        await expect(tab.locator(".quotes .told").first).to_contain_text(ATTACKS[0])
        await expect(tab.locator(".quotes .told").first).to_contain_text("[31m")
        await expect(tab.locator("#document-list")).to_contain_text(ATTACKS[1])
        await expect(tab.locator("#series-list")).to_contain_text("evil<img")
        assert await tab.evaluate("window.stolen ?? null") is None
        assert await tab.locator("#document-list a, main img, main script, main [onerror], main [onload]").count() == 0
        shown = await tab.locator("main").inner_text()
        assert not {"\u202e", "\x1b", "\x07"} & set(shown)


async def test_a_product_that_no_list_names_is_called_as_people_do(tab: Page) -> None:
    room = newsroom(0.1)
    room.live_through(0.1, {"product:ovenna-steampro-6": 20})
    async with room.open() as url:
        await tab.goto(url)
        await expect(tab.locator("#series-list .name").get_by_text("Ovenna Steampro 6", exact=True)).to_be_visible()


async def test_a_script_that_got_in_would_not_run(tab: Page) -> None:
    async with newsroom(0.1).open() as url:
        await tab.goto(url)
        refused = await tab.evaluate(
            """() => new Promise((done) => {
                 document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
                 const script = document.createElement("script");
                 try { script.textContent = "window.stolen = 1"; } catch (error) { done(error.name); }
                 document.body.append(script);
               })"""
        )
        assert refused in ("TypeError", "script-src-elem", "require-trusted-types-for")
        assert await tab.evaluate("window.stolen ?? null") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_phone_by_day_and_by_night(browser: Browser, scheme: str) -> None:
    room = newsroom()
    room.crisis("ovenna", title="W" * 200)
    async with room.open() as url:
        page = await browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)  # type: ignore[arg-type]
        await page.goto(url)
        await expect(page.locator(".alert.firing").first).to_be_visible()
        await page.locator(".alert.firing summary").first.click()
        await expect(page.locator("svg.day")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        paper = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(int(part) for part in paper[4:-1].split(",")) < 200) is (scheme == "dark")


async def test_the_keyboard_is_enough(tab: Page) -> None:
    room = newsroom()
    room.crisis("ovenna")
    async with room.open() as url:
        await tab.goto(url)
        await expect(tab.locator(".alert.firing").first).to_be_visible()
        await tab.keyboard.press("/")
        await tab.keyboard.type("tarn")
        await expect(tab.locator("#series-list li")).to_have_count(2)
        await tab.keyboard.press("ArrowDown")
        await tab.keyboard.press("Enter")
        await expect(tab.locator(".detail h3")).to_have_text("Tarnfield Bank")
        await tab.locator("svg.day").focus()
        before = await tab.locator(".readout").inner_text()
        await tab.keyboard.press("ArrowLeft")
        assert await tab.locator(".readout").inner_text() != before
        await tab.locator(".alert.firing").first.get_by_role("button", name="Confirm").focus()
        await tab.keyboard.press("Enter")
        await tab.keyboard.type("Ada")
        await tab.keyboard.press("Enter")
        await expect(tab.locator("#say")).to_be_hidden()
        assert [word.by for word in room.broker.said] == ["Ada"]


async def test_a_word_that_the_broker_refuses_is_told_so_and_kept(tab: Page) -> None:
    room = newsroom()
    room.crisis("ovenna")
    room.broker.refusing = True
    async with room.open() as url:
        await tab.goto(url)
        await tab.locator(".alert.firing").first.get_by_role("button", name="Dismiss").click()
        await tab.get_by_label("Note").fill("a rehearsal")
        await tab.locator("#say-send").click()
        await expect(tab.locator("#say-wrong")).to_contain_text("The broker did not take it")
        assert await tab.get_by_label("Note").input_value() == "a rehearsal"


async def test_a_worker_that_is_gone_is_missed(tab: Page) -> None:
    room = newsroom(0.2)
    async with room.open() as url:
        await tab.goto(url)
        await expect(tab.locator("#link")).to_have_text("live")
    await expect(tab.locator("#notice")).to_contain_text("No word from the worker")
    await expect(tab.locator("#link")).to_have_text("lost")


async def test_a_page_that_is_open_to_others_asks_for_its_token(tab: Page) -> None:
    room = Newsroom(token="the-long-one-of-sixteen", host="0.0.0.0")
    async with room.open() as url:
        await tab.goto(url)
        await tab.get_by_label("Token").fill("a guess")
        await tab.get_by_role("button", name="Enter").click()
        await expect(tab.locator("#wrong")).to_be_visible()
        await tab.get_by_label("Token").fill("the-long-one-of-sixteen")
        await tab.get_by_role("button", name="Enter").click()
        await expect(tab.locator("#link")).to_have_text("live")
