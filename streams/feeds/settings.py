"""The settings table of the feeds; it stands here so that their parts need nothing else of the settings."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from streams.section import Section


class FeedSource(Section):
    """One feed, where a list of addresses does not say enough of it."""

    url: str = Field(max_length=2048, description="http or https")
    name: str = Field("", max_length=200, description="the `source` of its documents; default: the feed's own title")
    every_seconds: float | None = Field(None, ge=10, description="asked this often; default: `feeds.every_seconds`")


class FeedsSettings(Section):
    """`tocsin ingest rss`: which feeds, how often, and how much of each."""

    lists: tuple[Path, ...] = Field((), description="files of feeds: OPML, or an address a line and a name behind it")
    sources: tuple[FeedSource, ...] = ()
    every_seconds: float = Field(300.0, ge=10, description="each feed is asked this often, a tenth sooner or later")
    at_once: int = Field(32, ge=1, le=512, description="requests under way together; of one host never more than one")
    host_seconds: float = Field(1.0, ge=0, description="rest of a host between two requests")
    timeout_seconds: float = Field(10.0, gt=0, le=300, description="a feed's whole time, redirects included")
    max_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="of an answer, packed as well as unpacked")
    max_items: int = Field(200, ge=1, le=10_000, description="items read of one answer; further ones are counted")
    private_hosts: tuple[str, ...] = Field(
        (), description="names or addresses of your own that may lie on a private network; all others must be public"
    )
    contact: str = Field(
        "",
        max_length=200,
        pattern=r"^[\x20-\x7e]*$",
        description="an address put into the User-Agent, so that who serves a feed can write to you",
    )
    memory: Path | None = Field(
        None, description="file of what was seen and sent; default: `<prefix>-feeds.sqlite` in `state_dir`"
    )
    port: int = Field(6072, ge=0, le=65535, description="health and metrics of the feed reader, on `web.host`")
