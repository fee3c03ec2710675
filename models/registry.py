"""The registry: a directory of releases, and a file of aliases that is swapped in one step.

::

    <root>/
        <version>/      releases, immutable (models.release)
        aliases.json    {"champion": version, "previous": version, "candidate": version}
        events.jsonl    who moved which alias, when, why, from where to where; only ever appended to

The alias file is the truth: whoever serves re-reads it. Half-written releases are hidden (``.staging-*``)
until they are complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models import graphs
from models.errors import RegistryError, ReleaseError, UnsafeReleaseError
from models.release import (
    MANIFEST,
    Manifest,
    check_version,
    complete,
    read_file,
    read_manifest,
    sync_directory,
    verify,
    write_durably,
)

CHAMPION = "champion"
PREVIOUS = "previous"
CANDIDATE = "candidate"
ALIASES = (CHAMPION, PREVIOUS, CANDIDATE)


class Registry:
    """Releases by version and alias. Reading needs no lock; moves take one, across processes."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def versions(self) -> list[str]:
        """Versions of all complete releases, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(
            path.name for path in self.root.iterdir() if not path.name.startswith(".") and (path / MANIFEST).is_file()
        )

    def aliases(self) -> dict[str, str]:
        """The alias file; empty where nothing was ever promoted.

        Raises:
            RegistryError: the file is not what tocsin writes.
        """
        path = self.root / "aliases.json"
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as exc:
            raise RegistryError(f"{path} is not JSON: {exc}") from exc
        if not isinstance(found, dict) or not all(
            name in ALIASES and isinstance(version, str) for name, version in found.items()
        ):
            raise RegistryError(f"{path} holds more than aliases and versions")
        return found

    def resolve(self, name: str) -> Path:
        """The directory of a release, by alias or version.

        Raises:
            RegistryError: there is no such alias or version; the text lists those there are.
        """
        version = self.aliases().get(name, name)
        path = self.root / version
        if version in ALIASES or not _is_plain(version) or not (path / MANIFEST).is_file():
            known = ", ".join([*self.aliases(), *self.versions()]) or "none"
            raise RegistryError(f"{self.root} has no release {name!r:.100}; there are: {known}")
        return path

    def manifest(self, name: str) -> Manifest:
        """The manifest of a release, by alias or version."""
        return read_manifest(self.resolve(name))

    def verify(self, name: str) -> Manifest:
        """Check every byte of a release, that it lies under its own version, and that its graphs fit its labels.

        Raises:
            RegistryError: there is no such release.
            ReleaseError: what is wrong with it.
        """
        path = self.resolve(name)
        manifest = verify(path)
        if manifest.version != path.name:
            raise ReleaseError(f"{path} calls itself {manifest.version}")
        _check_graphs(path, manifest)
        return manifest

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A hidden directory on the registry's own file system; gone afterwards unless :meth:`publish` took it."""
        self.root.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix=".staging-", dir=self.root))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def publish(self, staged: Path, *, reason: str = "", now: datetime | None = None) -> Path:
        """Move a complete release from :meth:`staging` to its version; returns where it lies.

        A version is written once: where another process was faster with the same bytes, its copy stays.

        Raises:
            RegistryError: the version exists with other bytes.
            ReleaseError: the staged directory is no good release.
        """
        manifest = verify(staged)
        target = self.root / check_version(manifest.version)
        staged.chmod(0o755)
        with self._locked():
            if target.exists():
                if read_manifest(target).files != manifest.files:
                    raise RegistryError(f"version {manifest.version} exists with other content; versions never change")
                return target
            staged.rename(target)
            sync_directory(self.root)
            self._note("publish", manifest.version, None, None, reason, now)
        return target

    def add(self, source: Path, *, reason: str = "") -> str:
        """Publish a copy of ``source``, a release that was made elsewhere, once a process of its own has tried it.

        Its manifest may leave ``files`` empty: they are what lies there. Returns the version.

        Raises:
            RegistryError: there is no such directory, or the version exists with other bytes.
            ReleaseError: it is no good release, and nothing is published.
        """
        from models.trial import try_out

        if not source.is_dir():
            raise RegistryError(f"{source} is not a directory")
        with self.staging() as staged:
            for path in sorted(source.iterdir()):
                if path.is_symlink() or not path.is_file():
                    raise UnsafeReleaseError(f"{path} is not a plain file")
                shutil.copyfile(path, staged / path.name)
            manifest = complete(staged)
            _check_graphs(staged, manifest)
            for precision in {"fp32", "int8"} & set(manifest.graphs):
                try_out(staged, {"provider": "cpu", "precision": precision})
            return self.publish(staged, reason=reason).name

    def nominate(self, version: str, *, reason: str = "", now: datetime | None = None) -> None:
        """Make a verified release the candidate."""
        self.verify(version)
        with self._locked():
            aliases = self.aliases()
            self._swap({**aliases, CANDIDATE: version})
            self._note("nominate", CANDIDATE, aliases.get(CANDIDATE), version, reason, now)

    def promote(self, name: str, *, reason: str = "", now: datetime | None = None) -> str:
        """Make a verified release the champion; the old champion becomes previous. Returns the version.

        Raises:
            RegistryError: there is no such release.
            ReleaseError: it does not verify; the champion stays.
        """
        version = self.verify(name).version
        with self._locked():
            aliases = self.aliases()
            old = aliases.get(CHAMPION)
            if old == version:
                return version
            moved = {alias: at for alias, at in aliases.items() if alias == PREVIOUS or at != version}
            moved[CHAMPION] = version
            if old is not None:
                moved[PREVIOUS] = old
            self._swap(moved)
            self._note("promote", CHAMPION, old, version, reason, now)
        return version

    def rollback(self, *, of: str | None = None, reason: str = "", now: datetime | None = None) -> str:
        """Make the previous release the champion again; returns the champion's version.

        ``previous`` then names what that release had replaced, so rolling back again goes further back and
        never forward to what was just rolled back. With ``of``, only that version is rolled back: where it is
        not the champion (any more), nothing moves, so that several who find it bad go back one step together.

        Raises:
            RegistryError: there is nothing to go back to.
            ReleaseError: the previous release does not verify.
        """
        with self._locked():
            aliases = self.aliases()
            champion, version = aliases.get(CHAMPION), aliases.get(PREVIOUS)
            if of is not None and champion is not None and champion != of:
                return champion
            if version is None:
                raise RegistryError(f"{self.root} has no previous release to roll back to")
            self.verify(version)
            moved = {alias: at for alias, at in aliases.items() if alias not in (CHAMPION, PREVIOUS)}
            moved[CHAMPION] = version
            before = self._replaced_by(version)
            if before is not None:
                moved[PREVIOUS] = before
            self._swap(moved)
            self._note("rollback", CHAMPION, champion, version, reason, now)
        return version

    def history(self) -> list[dict[str, Any]]:
        """Every event, oldest first: ``at``, ``who``, ``what``, ``alias``, ``from``, ``to``, ``why``."""
        path = self.root / "events.jsonl"
        if not path.is_file():
            return []
        events: list[dict[str, Any]] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # a crash may have cut the last line short
                events.append(json.loads(line))
        return events

    def _replaced_by(self, version: str) -> str | None:
        for event in reversed(self.history()):
            if event.get("what") == "promote" and event.get("to") == version:
                before = event.get("from")
                return before if before in self.versions() else None
        return None

    def _swap(self, aliases: dict[str, str]) -> None:
        write_durably(self.root / "aliases.json", json.dumps(aliases, indent=2, sort_keys=True).encode() + b"\n")

    def _note(self, what: str, alias: str, old: str | None, new: str | None, why: str, now: datetime | None) -> None:
        at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
        event = {"at": at, "who": _who(), "what": what, "alias": alias, "from": old, "to": new, "why": why[:500]}
        with (self.root / "events.jsonl").open("a+b") as file:
            # A crash may have left half a line: it must not swallow this one.
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(event).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _check_graphs(directory: Path, manifest: Manifest) -> None:
    widths = {taxonomy: len(labels) for taxonomy, labels in manifest.labels.topics.items()}
    for file in manifest.graphs.values():
        graphs.check_shapes(graphs.parse(read_file(directory, manifest, file)), widths)


def _is_plain(version: str) -> bool:
    return Path(version).name == version and not version.startswith(".")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())
