"""An item of a feed -> a document of an input topic."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from streams.feeds.reading import Item
from streams.feeds.sources import Feed

OLDEST_MS = 631_152_000_000
"""1990: an earlier date is an empty field that somebody's software filled in."""


def item_id(feed: Feed, item: Item) -> str:
    """What the item is called everywhere: the same for the same item of the same feed, whatever its text becomes."""
    return "rss-" + blake2b(f"{feed.id}\n{item.key}".encode("utf-8", "replace"), digest_size=16).hexdigest()


def dated(item: Item, now_ms: int) -> bool:
    """Whether the item names a time that can be true."""
    return item.published_ms is not None and OLDEST_MS <= item.published_ms <= now_ms


def document(feed: Feed, title: str, item: Item, now_ms: int) -> bytes:
    """The item's document as JSON. ``title`` is the feed's own, and the source where the feed has no other name.

    One that names no time, or one to come, is as old as our first sight of it.
    """
    return msgspec.json.encode(
        {
            "id": item_id(feed, item),
            "title": item.title,
            "body": item.text,
            "url": item.link,
            "source": feed.name or title or feed.host,
            "published_at": item.published_ms if dated(item, now_ms) else now_ms,
        }
    )
