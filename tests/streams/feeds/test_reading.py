"""Items out of whatever a server calls a feed; nothing declared is believed, nothing of HTML is left."""

from __future__ import annotations

import pytest

from streams.feeds.markup import text_of
from streams.feeds.reading import Item, Reading, Request, decoded, read, undeclared
from tests.streams.feeds.newsstand import BODIES, DATE, FILE_ENTITY, item, rss

MARCH_2_MS = 1_772_438_400_000


def reading(kind: str, most: int = 200) -> Reading:
    content_type, body = BODIES[kind]
    return read(Request(body, content_type, "https://feeds.example/x", most))


def of(text: str, most: int = 200) -> Reading:
    return read(Request(text.encode(), "", "https://feeds.example/x", most))


def test_an_item_is_what_it_is_in_rss() -> None:
    found = reading("good")
    assert (found.title, len(found.items), found.refusal) == ("The Example", 20, "")
    assert found.items[3] == Item("g3", "Acme falls 3", "Shares of Acme fell.", "https://news.example/3", MARCH_2_MS)


def test_atom_gives_its_longest_text_and_its_markup_is_gone() -> None:
    [found] = reading("atom").items
    assert found == Item("urn:1", "Acme rises", "First.\nSecond.", "https://news.example/atom/1", MARCH_2_MS)


def test_rdf_is_read() -> None:
    text = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>R</title></channel>'
        "<item><title>T</title><link>https://x.example/</link><dc:date>2026-03-02T08:00:00Z</dc:date></item></rdf:RDF>"
    )
    assert of(text).items == [Item("https://x.example/", "T", "", "https://x.example/", MARCH_2_MS)]


@pytest.mark.parametrize("kind", ["latin1", "utf16", "undeclared"])
def test_letters_survive_every_encoding(kind: str) -> None:
    assert reading(kind).items[0].title == "Café 1"


@pytest.mark.parametrize("named", ["bz2", "rot13", "punycode", "idna", "utf-7", "unicode_escape", "no-such"])
def test_an_encoding_that_is_none_of_a_feed_is_not_used(named: str) -> None:
    assert decoded(f'<?xml version="1.0" encoding="{named}"?><rss>+ADw-</rss>'.encode(), "").endswith("+ADw-</rss>")


def test_scripts_and_tags_are_no_text() -> None:
    [found] = reading("xss").items
    assert (found.title, found.text) == ("Acme 1", "Fell & rose.")


def test_small_faults_are_forgiven() -> None:
    assert reading("stray").items[0].title == "Acme & Sons < Co 1"
    assert [found.key for found in reading("torn").items] == ["g1", "g2"]


def test_only_so_many_items_are_read_and_the_others_counted() -> None:
    found = reading("huge", most=50)
    assert ([len(found.items), found.left_out], found.items[49].title) == ([50, 4_950], "Acme falls 49")
    entries = "".join(f"<entry><id>{n}</id><title>T{n}</title></entry>" for n in range(9))
    found = of(f'<feed xmlns="http://www.w3.org/2005/Atom">{entries}</feed>', most=2)
    assert ([one.title for one in found.items], found.left_out) == (["T0", "T1"], 7)


@pytest.mark.parametrize("kind", ["laughs", "laughs16", "entity"])
def test_declarations_are_refused_before_parsing(kind: str) -> None:
    assert reading(kind) == Reading(refusal="it declares entities, which are not read")


@pytest.mark.parametrize(
    "head",
    [
        FILE_ENTITY,
        "<!-- <rss> -->" + FILE_ENTITY,
        "<?x <rss> ?>" + FILE_ENTITY,
        FILE_ENTITY.lower().replace("entity", "ENTITY"),
        '<!ENTITY f "x">',
        '<!DOCTYPE rss SYSTEM "a>b" [<!ENTITY f "x">]>',
        '<!DOCTYPE rss [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]>',
        '<!DOCTYPE rss [<!ENTITY a "<rss>">]>',
    ],
)
def test_a_declaration_does_not_hide(head: str) -> None:
    found = of(rss([item(1, "&f;")], head))
    assert found.refusal
    assert not found.items


def test_a_bare_document_type_is_cut_off() -> None:
    head = '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://127.0.0.1/rss-0.91.dtd">'
    assert undeclared(f"<?xml version='1.0'?>\n{head}\n<rss/>") == ("<rss/>", "")
    assert [found.key for found in of(rss([item(1)], head)).items] == ["g1"]


def test_a_declaration_inside_a_text_is_text() -> None:
    [found] = of(rss([item(1, text="<![CDATA[x]]> <!DOCTYPE html [ <!ENTITY a 'b'> ] > seen")])).items
    assert "seen" in found.text


@pytest.mark.parametrize("kind", ["attributes", "deep"])
def test_what_is_shaped_to_be_slow_is_refused(kind: str) -> None:
    assert reading(kind).refusal == "it is not shaped like a feed: too deep, or too many attributes"


@pytest.mark.parametrize("kind", ["page", "picture", "empty"])
def test_what_is_no_feed_is_called_so(kind: str) -> None:
    assert reading(kind).refusal in ("it is neither RSS nor Atom", "it is not XML")


def test_items_without_anything_to_read_are_none_and_links_are_web_addresses() -> None:
    found = of(rss(["<item><guid>a</guid></item>", "<item><title>T</title><link>javascript:alert(1)</link></item>"]))
    assert [(one.title, one.link) for one in found.items] == [("T", "")]
    found = of(rss(["<item><title>T</title><guid isPermaLink='true'>/a</guid><link>/b?c=1&amp;d=2</link></item>"]))
    assert [(one.key, one.link) for one in found.items] == [("/a", "https://feeds.example/b?c=1&d=2")]


def test_a_date_that_is_none_is_none() -> None:
    assert of(rss([item(1, date="yesterday")])).items[0].published_ms is None
    assert of(rss([item(1, date=DATE)])).items[0].published_ms == MARCH_2_MS


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a<br>b<p>c</p>d", "a\nb\nc\nd"),
        ("<style>p{}</style><template>t</template>x<script>never closed", "x"),
        ("<svg><text>no</text></svg>yes", "yes"),
        ("<a href='javascript:alert(1)'>click</a> &lt;b&gt;", "click <b>"),
        ("5 < 6 & 7", "5 < 6 & 7"),
        ("<!-- hidden -->shown<![CDATA[too]]>", "shown"),
    ],
)
def test_markup_becomes_what_people_see(markup: str, text: str) -> None:
    assert text_of(markup) == text
