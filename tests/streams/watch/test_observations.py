from __future__ import annotations

import msgspec

from streams.topics import partition_of
from streams.watch.observations import LONGEST_TITLE, gather, tick
from tests.streams.watch.newsroom import MONDAY, Voice, scored

COMMON = {"topic": "news", "partition": 3, "release": "r1", "languages": ("en",)}


def test_every_partition_gets_one_message_also_when_it_is_empty() -> None:
    documents = [scored(Voice(MONDAY, entity=name), at) for at, name in enumerate(("acme", "contoso"))]
    messages = gather(documents, first=0, last=4, event_ms=None, partitions=8, **COMMON)
    assert len(messages) == 8
    assert all((m.first, m.last, m.event_ms, m.partition) == (0, 4, MONDAY, 3) for m in messages)
    for home, message in enumerate(messages):
        assert all(partition_of(item.series, 8) == home for item in message.items)
    assert sorted(item.series for m in messages for item in m.items) == [
        "entity:acme",
        "entity:contoso",
        "stream:news",
        "stream:news",
    ]


def test_a_document_travels_once_to_each_partition_that_counts_it() -> None:
    document = scored(Voice(MONDAY, topic="Recall"), 7)
    [message] = gather([document], first=7, last=7, event_ms=None, partitions=1, **COMMON)
    assert len(message.items) == 4
    assert [d.offset for d in message.documents] == [7]
    assert {item.document for item in message.items} == {0}


def test_the_clock_never_moves_back() -> None:
    document = scored(Voice(MONDAY), 0)
    [message] = gather([document], first=0, last=0, event_ms=MONDAY + 5, partitions=1, **COMMON)
    assert message.event_ms == MONDAY + 5


def test_an_idle_tick_covers_no_offset() -> None:
    [message] = tick(topic="news", partition=0, next_offset=12, event_ms=MONDAY, partitions=1)
    assert (message.first, message.last, message.event_ms, message.items) == (12, 11, MONDAY, ())


def test_titles_are_bounded_one_line_and_taken_from_the_text_where_there_is_none() -> None:
    document = msgspec.structs.replace(scored(Voice(MONDAY), 0), title="", text="line\nbreak " + "long " * 500)
    [message] = gather([document], first=0, last=0, event_ms=None, partitions=1, **COMMON)
    title = message.documents[0].title
    assert len(title) == LONGEST_TITLE
    assert title.startswith("line break long")
