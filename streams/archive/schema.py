"""The archive's file: its tables, step by step from one version to the next, and who may open it.

The words of a document are in a full-text index that follows the table by triggers, so that no path leads to one
without the other.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from streams.errors import SettingsError

APPLICATION = 0x746F6373
"""In the header of the file ("tocs"): says whose it is."""

_FIRST = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE offsets (topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, partition))
    WITHOUT ROWID;
CREATE TABLE documents (number INTEGER PRIMARY KEY, stream TEXT NOT NULL, id TEXT NOT NULL, event_ms INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL, mood INTEGER NOT NULL, source TEXT NOT NULL, release TEXT NOT NULL,
    title TEXT NOT NULL, text TEXT NOT NULL, rest BLOB NOT NULL, UNIQUE (stream, id));
CREATE INDEX documents_by_time ON documents (event_ms);
CREATE INDEX documents_by_age ON documents (stored_ms);
CREATE TABLE vectors (document INTEGER PRIMARY KEY, release TEXT NOT NULL, vector BLOB NOT NULL);
CREATE TABLE series (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE sightings (series INTEGER NOT NULL, event_ms INTEGER NOT NULL, document INTEGER NOT NULL,
    mood INTEGER NOT NULL, PRIMARY KEY (series, event_ms, document)) WITHOUT ROWID;
CREATE INDEX sightings_of ON sightings (document);
CREATE VIRTUAL TABLE words USING fts5 (title, text, content = 'documents', content_rowid = 'number',
    tokenize = 'porter unicode61 remove_diacritics 2');
CREATE TRIGGER document_kept AFTER INSERT ON documents BEGIN
    INSERT INTO words (rowid, title, text) VALUES (new.number, new.title, new.text);
END;
CREATE TRIGGER document_gone AFTER DELETE ON documents BEGIN
    INSERT INTO words (words, rowid, title, text) VALUES ('delete', old.number, old.title, old.text);
    DELETE FROM vectors WHERE document = old.number;
    DELETE FROM sightings WHERE document = old.number;
END;
CREATE TABLE alerts (number INTEGER PRIMARY KEY, alert_id TEXT NOT NULL UNIQUE, series TEXT NOT NULL,
    starts_ms INTEGER NOT NULL, ends_ms INTEGER NOT NULL, stored_ms INTEGER NOT NULL, over INTEGER NOT NULL,
    summary TEXT NOT NULL, titles TEXT NOT NULL, alert BLOB NOT NULL);
CREATE INDEX alerts_by_time ON alerts (starts_ms);
CREATE VIRTUAL TABLE alert_words USING fts5 (series, summary, titles, content = 'alerts', content_rowid = 'number',
    tokenize = 'porter unicode61 remove_diacritics 2');
CREATE TRIGGER alert_kept AFTER INSERT ON alerts BEGIN
    INSERT INTO alert_words (rowid, series, summary, titles) VALUES (new.number, new.series, new.summary, new.titles);
END;
CREATE TRIGGER alert_gone AFTER DELETE ON alerts BEGIN
    INSERT INTO alert_words (alert_words, rowid, series, summary, titles)
        VALUES ('delete', old.number, old.series, old.summary, old.titles);
END;
"""
STEPS = (_FIRST,)
"""``STEPS[n]`` leads from version n (``user_version``) to n + 1. A step that was released is never changed."""


def bring_up(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file, or those that a later version added to an older one.

    Raises:
        SettingsError: the file is none of ours, or was written by a newer version.
    """
    version = check(db, path)
    if version == len(STEPS):
        return
    steps = "".join(STEPS[version:])
    db.executescript(
        f"BEGIN IMMEDIATE; {steps} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {len(STEPS)}; COMMIT;"
    )


def check(db: sqlite3.Connection, path: Path) -> int:
    """The version of the file, 0 where it is empty.

    Raises:
        SettingsError: as :func:`bring_up`.
    """
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != APPLICATION:
        raise SettingsError(f"archive.path {path} is a database of something else; name another file")
    if version > len(STEPS):
        raise SettingsError(
            f"archive.path {path} was written by a newer tocsin (format {version}, this one knows {len(STEPS)}); "
            "use that one, or name another file"
        )
    return int(version)
