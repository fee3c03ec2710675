"""Lists of companies (JSON Lines, such as SEC tickers or an index's constituents) -> a watch-list to start from.

A row has ``text`` (the name) and, where known, ``ticker``, ``aliases`` and ``cik``. Names that are ordinary
words (Target, Gap, Visa) count only as written and beside a word of business; look the result over.
"""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from streams.errors import InputError
from streams.intake.language import ENGLISH
from streams.intake.watchlist import LONGEST_SLUG, Alias, Entity, WatchList, slug

BUSINESS_WORDS = tuple(
    """
    shares stock stocks company inc corp ceo cfo earnings quarter quarterly profit profits revenue sales results
    investors investor shareholders analyst analysts guidance outlook dividend merger acquisition nyse nasdaq
    retailer bank insurer maker airline lawsuit regulator recall stores customers layoffs workers
    """.split()  # noqa: SIM905
)
"""Context in which an ordinary word may be a company."""

ORDINARY_WORDS = ENGLISH | frozenset(
    """
    affirm airlines allegiant ally alphabet amazon apple arch atmosphere autodesk avenue ball banner baxter beam
    bentley biotech black blend block blue boot booking bumble cable cadence camden canopy capital cardinal carnival
    carrier castle caterpillar cave celsius centuri chart chase chime chubb cinema circle citizens clear clorox coach
    coherent comfort constellation continental copper corning coty cracker crane crocs crown custom cushman daily dash
    delta diamond digital dine discover discovery dollar dominion dover dream duke eagle eastern edison element
    emerald energy entergy equity essential essex evergreen everest expedia express extra fair fastly federal fidelity
    figs first fisher five flex flowers fluor ford fortune forward fossil fox frontier gap garrett gates general
    genesis genuine global globe graham grand grant graphic green grid group guess hallmark halo harmonic harmony
    harvest hawaiian heritage hilton home honest host hub humana icon illumina impact independent innovate insight
    inspire insulet intel international interface invitation iron jack jacobs jet key kite knight lamb landmark lemonade
    lennox leslie liberty life light lincoln linde lion live loop lucid lumen macro magna marathon marine market
    marshall match matador materials mattel maximus medallion medical merit meta micron mobile mohawk momentum monster
    mosaic motion mural national natural nelson neon news nice nike noble nordic northern novel nucor oak oil olive
    omega open oracle orange orion outfront owl pacific packaging palomar paramount parker patterson paychex peloton
    perfect phoenix pilgrim pinnacle pioneer planet polaris pool post potlatch power premier prime principal procore
    progress progressive prologis prosper prudential public pulse pure quest radiant range rapid realty red regal
    regency regions reliance republic resources ring robert robin rocket rogers root ross royal sabre safe sage
    salesforce scholar science scripps seagate sealed select sense service shell signet silver simply six skyline
    smart smith snap snowflake solar southern southwest spectrum spirit splash spring sprint square standard stanley
    star state stem sterling stone strategy stride summit sun super swift symbotic tapestry target team tempur
    texas tile timber titan toast tower trade travel travelers tree trinity trex twist under union unisys unit united
    unity universal upland urban vail valley vector veritas vertex vine visa vital vulcan walker warner waters watts
    wave wells wendy western williams wolf wood workday workiva world xylem yelp zest zillow zoom
    american beyond bill city crypto euro senior track sector credit finance financial health care holding
    """.split()  # noqa: SIM905
)
_WORD = re.compile(r"[^\W_]+")


def import_gazetteer(path: Path, *, most: int | None = None) -> WatchList:
    """Read the first ``most`` companies of ``path`` (plain or gzipped JSON Lines).

    Rows of one company (equal ``cik``, else equal name) become one entity with all their tickers. A name or
    ticker that two companies claim goes to the earlier one.

    Raises:
        InputError: the file cannot be read, or a row has no name; the text names the line.
    """
    companies: dict[str, list[Mapping[str, Any]]] = {}
    for number, row in _rows(path):
        name = row.get("text")
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{path}, line {number}: the row has no name in `text`")
        key = str(row.get("cik") or name.casefold())
        if key not in companies and most is not None and len(companies) == most:
            continue
        companies.setdefault(key, []).append(row)
    return WatchList(_entities(companies.values()))


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise InputError(f"{path}, line {number}: not a JSON object")
                yield number, row
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc}") from exc
    except ValueError as exc:
        raise InputError(f"{path}, line {number}: {exc}") from exc


def _entities(companies: Iterable[list[Mapping[str, Any]]]) -> Iterator[Entity]:
    ids: set[str] = set()
    names: set[str] = set()
    tickers: set[str] = set()
    for rows in companies:
        name = rows[0]["text"].strip()[:120]
        aliases = []
        for text in _texts(rows):
            if text.casefold() not in names:
                names.add(text.casefold())
                aliases.append(_alias(text))
        papers = []
        for ticker in (str(row.get("ticker") or "").strip().upper() for row in rows):
            if re.fullmatch(r"[A-Z0-9][A-Z0-9.-]{0,11}", ticker) and ticker not in tickers:
                tickers.add(ticker)
                papers.append(ticker)
        if not aliases and not papers:
            continue
        known = _free_id(name, rows[0].get("cik"), ids)
        ids.add(known)
        # The name itself may belong to an earlier company: then the first name of its own stands for it.
        own = name if any(alias.text == name for alias in aliases) else (aliases[0].text if aliases else papers[0])
        yield Entity(id=known, name=own, aliases=tuple(aliases), tickers=tuple(papers))


def _texts(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        given = row.get("aliases")
        for text in [row["text"], *(given if isinstance(given, list) else [])]:
            tidy = " ".join(str(text).split())[:120]
            if len(tidy) > 1:
                yield tidy


def _alias(text: str) -> Alias:
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) == 1 and words[0] in ORDINARY_WORDS:
        return Alias(text=text.capitalize() if text.isupper() else text, exact=True, context=BUSINESS_WORDS)
    if all(word in ORDINARY_WORDS for word in words):
        return Alias(text=text.title() if text.isupper() else text, exact=True)
    return Alias(text=text)


def _free_id(name: str, cik: object, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    known = slug(plain) or "company"
    if known in taken:
        known = f"{known[: LONGEST_SLUG - 12]}-{cik or len(taken)}"
    return known
