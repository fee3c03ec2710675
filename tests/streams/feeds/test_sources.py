"""Lists of feeds: what they say, each feed once, and clear words about what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import InputError
from streams.feeds.settings import FeedSource, FeedsSettings
from streams.feeds.sources import Feed, feeds
from streams.settings import load

OPML = """<?xml version="1.0" encoding="utf-8"?>
<opml version="2.0"><head><title>Mine</title></head><body>
<outline text="Money"><outline type="rss" text="Wire" xmlUrl="https://wire.example/rss?a=1&amp;b=2"/>
<outline title="Board" text="b" xmlurl=" http://board.example/feed "/></outline>
<outline text="a page" htmlUrl="https://page.example"/></body></opml>"""


def test_opml_and_plain_lists_and_settings_are_one_list(tmp_path: Path) -> None:
    (tmp_path / "feeds.opml").write_text(OPML)
    (tmp_path / "feeds.txt").write_text(
        "# mine\n\nhttps://one.example/rss  The One\nhttp://WIRE.example:80/rss?a=1&b=2 again\nhttps://two.example/\n"
    )
    settings = FeedsSettings(
        lists=(tmp_path / "feeds.opml",), sources=(FeedSource(url="https://own.example/x", every_seconds=60),)
    )
    assert feeds(settings, [tmp_path / "feeds.txt"]) == [
        Feed("https://own.example/x", "", 60),
        Feed("https://wire.example/rss?a=1&b=2", "Wire"),
        Feed("http://board.example/feed", "Board"),
        Feed("https://one.example/rss", "The One"),
        Feed("https://two.example/", ""),
    ]


def test_the_settings_file_names_feeds(tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_text(
        '[feeds]\nprivate_hosts = ["intranet"]\n[[feeds.sources]]\nurl = "https://own.example/x"\nname = "Own"\n'
    )
    assert feeds(load(tmp_path / "tocsin.toml").feeds) == [Feed("https://own.example/x", "Own")]


def test_what_people_see_of_an_address_holds_no_secret() -> None:
    feed = Feed("https://me:secret@Feeds.example/private?token=hidden")
    assert feed.shown == "feeds.example/private?..."
    assert feed.id == Feed("http://feeds.example/private?token=hidden").id


@pytest.mark.parametrize(
    "line",
    ["ftp://x.example/", "x.example/rss", "http:///rss", "file:///etc/passwd", "http://x:99999/", "http://x\x07/"],
)
def test_what_is_no_address_is_named_with_its_place(tmp_path: Path, line: str) -> None:
    (tmp_path / "feeds.txt").write_text(f"https://one.example/\n{line}\n")
    with pytest.raises(InputError, match=r"feeds\.txt, line 2: .*no http\(s\) address"):
        feeds(FeedsSettings(), [tmp_path / "feeds.txt"])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('<!DOCTYPE opml [<!ENTITY a "b">]><opml><body/></opml>', "declares entities"),
        ("<opml><body>", "no OPML"),
        ("# nothing\n", "no feed is named"),
    ],
)
def test_a_list_that_cannot_be_used_says_why(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "list").write_text(content)
    with pytest.raises(InputError, match=why):
        feeds(FeedsSettings(), [tmp_path / "list"])
    with pytest.raises(InputError, match="cannot be read"):
        feeds(FeedsSettings(), [tmp_path / "away"])
