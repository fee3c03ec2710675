from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.intake import Alias, Entity, WatchList
from streams.intake.watchlist import LONGEST_SLUG, slug

FILE = """
[[entity]]
id = "umbrella"
name = "Umbrella Holdings"

[[entity]]
id = "northwind"
name = "Northwind Traders"
aliases = ["Northwind", { text = "NW", exact = true, context = ["shares"], not_followed_by = ["Avenue"] }]
tickers = ["NWT", "NWT.B"]
bare_tickers = true
parent = "umbrella"
"""


def load(tmp_path: Path, text: str) -> WatchList:
    path = tmp_path / "watchlist.toml"
    path.write_text(text, encoding="utf-8")
    return WatchList.load(path)


def test_a_file_is_read_with_all_its_rules(tmp_path: Path) -> None:
    northwind = load(tmp_path, FILE).entities["northwind"]
    assert northwind == Entity(
        id="northwind",
        name="Northwind Traders",
        aliases=(
            Alias(text="Northwind Traders"),
            Alias(text="Northwind"),
            Alias(text="NW", exact=True, context=("shares",), not_followed_by=("Avenue",)),
        ),
        tickers=("NWT", "NWT.B"),
        bare_tickers=True,
        parent="umbrella",
    )


def test_no_path_is_an_empty_list() -> None:
    assert WatchList.load(None).entities == {}


def test_a_list_written_as_toml_reads_back_equal(tmp_path: Path) -> None:
    watchlist = load(tmp_path, FILE)
    assert load(tmp_path, watchlist.to_toml()).entities == watchlist.entities


def test_awkward_names_survive_the_way_through_toml(tmp_path: Path) -> None:
    name = 'Q"uote \\ B\u00fccher\x7f \u9234'
    watchlist = WatchList([Entity(id="q", name=name)])
    assert load(tmp_path, watchlist.to_toml()).entities["q"].name == name


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[entity]]\nname = 'x'", "id: Field required"),
        ("[[entity]]\nid = 'X'\nname = 'x'", "id: String should match"),
        ("[[entity]]\nid = 'a|b'\nname = 'x'", "id: String should match"),
        ("[[entity]]\nid = 'a'\nname = 'aa'\nalias = ['b']", "alias: Extra inputs"),
        ("[[entity]]\nid = 'a'\nname = 'aa'\naliases = ['b']", "aliases.0.text: String should have at least 2"),
        ("[[entity]]\nid = 'a'\nname = 'aa'\ntickers = ['$A']", "tickers.0: String should match"),
        ("[[entity]]\nid = 'a'\nname = 'aa'\nparent = 'b'", "its parent 'b' is not on the list"),
        ("[[entity]]\nid = 'a'\nname = 'aa'\nparent = 'a'", "entity 'a' is its own parent"),
        ("[[entity]]\nid = 'a'\nname = 'aa'\n[[entity]]\nid = 'a'\nname = 'bb'", "two entities have the id 'a'"),
        ("[[entity]]\nid = 'a'\nname = 'aa'\n[[entity]]\nid = 'b'\nname = 'AA'", "belongs to both 'a' and 'b'"),
        ("[entities]\nx = 1", "only [[entity]] tables are known"),
        ("entity = 3", "only [[entity]] tables are known"),
        ("[[entity]\n", "Expected"),
    ],
)
def test_a_broken_file_is_refused_with_the_reason(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert complaint in str(caught.value)
    assert "watchlist.toml" in str(caught.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        WatchList.load(tmp_path / "nowhere.toml")


def test_a_circle_of_parents_is_refused() -> None:
    circle = [Entity(id=a, name=a * 2, parent=b) for a, b in (("a", "b"), ("b", "c"), ("c", "a"))]
    with pytest.raises(SettingsError, match="its own parent"):
        WatchList(circle)


def test_parents_are_told_nearest_first() -> None:
    line = WatchList(
        [Entity(id="a", name="aa"), Entity(id="b", name="bb", parent="a"), Entity(id="c", name="cc", parent="b")]
    )
    assert (line.parents("c"), line.root("c"), line.root("a")) == (("b", "a"), "a", "a")


def test_an_id_that_is_not_listed_is_its_own_root() -> None:
    assert WatchList().root("product:kettle") == "product:kettle"


def test_names_and_tickers_are_known_in_any_case(watchlist: WatchList) -> None:
    assert watchlist.by_name("NORTHWIND traders") is watchlist.by_ticker("$nwt") is watchlist.entities["northwind"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Contoso Ltd.", "contoso-ltd"),
        ("  A|B:c/d  ", "a-b-c-d"),
        ("\uff21\uff23\uff2d\uff25", "acme"),
        ("B\u00fccher & S\u00f6hne", "b\u00fccher-s\u00f6hne"),
        ("\u9234\u862d", "\u9234\u862d"),
        ("!!!", ""),
    ],
)
def test_a_name_becomes_an_id_part(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_an_id_part_is_bounded() -> None:
    assert len(slug("long " * 100_000)) <= LONGEST_SLUG
