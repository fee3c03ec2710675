"""The watch-list: which entities matter, by which names they are called, and when a name does not count.

A TOML file of ``[[entity]]`` tables::

    [[entity]]
    id = "northwind"                     # stays the same when the name changes; alerts hang on it
    name = "Northwind Traders"
    aliases = [
      "Northwind",                       # any case, whole words
      { text = "NW", exact = true, context = ["shares", "traders"], not_followed_by = ["Avenue"] },
    ]
    tickers = ["NWT"]                    # $NWT, NYSE: NWT; a bare NWT only with bare_tickers = true
    parent = "umbrella"
"""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from streams.errors import SettingsError

EXACT_UP_TO = 3
"""A one-word alias of at most so many letters counts only as it is written, unless the file says otherwise."""

_NOT_SLUG = re.compile(r"[\W_]+")
LONGEST_SLUG = 48


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Words = tuple[Annotated[str, Field(min_length=1, max_length=60)], ...]


class Alias(_Table):
    """One name of an entity and the rules under which it counts.

    ``context``: one of these words must be somewhere in the document. ``not_followed_by`` and
    ``not_preceded_by``: the next or the previous words spoil it ("Target" before "price"). All ignore case.
    """

    text: str = Field(min_length=2, max_length=120)
    exact: bool | None = Field(None, description="letters must be in the case written here")
    context: Words = ()
    not_followed_by: Words = ()
    not_preceded_by: Words = ()

    @property
    def minds_case(self) -> bool:
        if self.exact is not None:
            return self.exact
        return len(self.text) <= EXACT_UP_TO and " " not in self.text


class Entity(_Table):
    """Something watched. ``name`` is an alias too, unless ``aliases`` gives it rules of its own."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    name: str = Field(min_length=1, max_length=120)
    aliases: tuple[Alias, ...] = ()
    tickers: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,11}$")], ...] = ()
    bare_tickers: bool = False
    parent: str | None = None

    @field_validator("aliases", mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return [{"text": item} if isinstance(item, str) else item for item in value]
        return value

    @model_validator(mode="after")
    def _named(self) -> Entity:
        if len(self.name) > 1 and self.name.casefold() not in {alias.text.casefold() for alias in self.aliases}:
            object.__setattr__(self, "aliases", (Alias(text=self.name), *self.aliases))
        return self


class WatchList:
    """Entities by id, in the order of the file; every name belongs to one of them."""

    def __init__(self, entities: Iterable[Entity] = ()) -> None:
        """Index ``entities``.

        Raises:
            SettingsError: two share an id, an alias or a ticker, or a parent is missing or its own descendant.
        """
        self.entities: dict[str, Entity] = {}
        self._by_name: dict[str, str] = {}
        self._by_ticker: dict[str, str] = {}
        for entity in entities:
            if entity.id in self.entities:
                raise SettingsError(f"two entities have the id {entity.id!r}")
            self.entities[entity.id] = entity
            for alias in entity.aliases:
                self._claim(self._by_name, alias.text.casefold(), entity.id, f"the alias {alias.text!r}")
            for ticker in entity.tickers:
                self._claim(self._by_ticker, ticker.upper(), entity.id, f"the ticker {ticker!r}")
        for name in self.entities:
            self.parents(name)

    @classmethod
    def load(cls, path: Path | None) -> WatchList:
        """Read the TOML file; no ``path`` gives an empty list.

        Raises:
            SettingsError: the file cannot be read or breaks a rule; the text names the entity.
        """
        if path is None:
            return cls()
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise SettingsError(f"watch-list {path}: {exc}") from exc
        rows = table.pop("entity", [])
        if table or not isinstance(rows, list):
            raise SettingsError(f"watch-list {path}: only [[entity]] tables are known, not {sorted(table) or 'entity'}")
        try:
            return cls([_entity(row, number) for number, row in enumerate(rows, 1)])
        except SettingsError as exc:
            raise SettingsError(f"watch-list {path}: {exc}") from exc

    def by_name(self, name: str) -> Entity | None:
        """The entity that has ``name`` among its names, in any case."""
        known = self._by_name.get(name.casefold())
        return None if known is None else self.entities[known]

    def by_ticker(self, ticker: str) -> Entity | None:
        known = self._by_ticker.get(ticker.upper().lstrip("$"))
        return None if known is None else self.entities[known]

    def parents(self, entity_id: str) -> tuple[str, ...]:
        """The ids above ``entity_id``, nearest first; empty for one that is not on the list.

        Raises:
            SettingsError: a parent is not on the list, or is its own descendant.
        """
        above: list[str] = []
        entity = self.entities.get(entity_id)
        while entity is not None and entity.parent is not None:
            parent = self.entities.get(entity.parent)
            if parent is None:
                raise SettingsError(f"entity {entity.id!r}: its parent {entity.parent!r} is not on the list")
            if parent.id in above or parent.id == entity_id:
                raise SettingsError(f"entity {entity_id!r} is its own parent")
            above.append(parent.id)
            entity = parent
        return tuple(above)

    def root(self, entity_id: str) -> str:
        """The topmost parent of ``entity_id``, or the id itself."""
        above = self.parents(entity_id)
        return above[-1] if above else entity_id

    def to_toml(self) -> str:
        """The list as a file that :meth:`load` reads back equal."""
        return "\n".join(_to_toml(entity) for entity in self.entities.values())

    @staticmethod
    def _claim(names: dict[str, str], name: str, entity_id: str, what: str) -> None:
        owner = names.setdefault(name, entity_id)
        if owner != entity_id:
            raise SettingsError(f"{what} belongs to both {owner!r} and {entity_id!r}")


def slug(name: str) -> str:
    """An id part for a name from outside: lower-case letters and digits of any script, at most 48.

    >>> slug("Contoso Ltd.")
    'contoso-ltd'
    """
    plain = unicodedata.normalize("NFKC", name).casefold()
    return _NOT_SLUG.sub("-", plain[: 4 * LONGEST_SLUG]).strip("-")[:LONGEST_SLUG].rstrip("-")


def _entity(row: object, number: int) -> Entity:
    try:
        return Entity.model_validate(row)
    except ValidationError as exc:
        label = row.get("id") if isinstance(row, Mapping) else None
        problems = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'entity'}: {error['msg']}" for error in exc.errors()
        )
        raise SettingsError(f"entity {label!r} (number {number}): {problems}") from exc


def _to_toml(entity: Entity) -> str:
    lines = ["[[entity]]", f"id = {_quoted(entity.id)}", f"name = {_quoted(entity.name)}"]
    if entity.aliases:
        lines += ["aliases = [", *(f"  {_alias(alias)}," for alias in entity.aliases), "]"]
    if entity.tickers:
        lines.append(f"tickers = {_list(entity.tickers)}")
    if entity.bare_tickers:
        lines.append("bare_tickers = true")
    if entity.parent is not None:
        lines.append(f"parent = {_quoted(entity.parent)}")
    return "\n".join(lines) + "\n"


def _alias(alias: Alias) -> str:
    parts = [f"text = {_quoted(alias.text)}"]
    if alias.exact is not None:
        parts.append(f"exact = {str(alias.exact).lower()}")
    for rule in ("context", "not_followed_by", "not_preceded_by"):
        words: tuple[str, ...] = getattr(alias, rule)
        if words:
            parts.append(f"{rule} = {_list(words)}")
    return _quoted(alias.text) if len(parts) == 1 else "{ " + ", ".join(parts) + " }"


def _list(words: Iterable[str]) -> str:
    return "[" + ", ".join(map(_quoted, words)) + "]"


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are among TOML's, DEL aside."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
