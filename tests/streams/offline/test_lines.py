from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path

import pytest

from streams.errors import InputError
from streams.offline.lines import STANDARD, Line, read_lines, written


def lines(path: Path, longest: int = 100) -> list[bytes]:
    return [line.value for line in read_lines(path, longest)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\n\r\nb\r\n", [b"a", b"", b"b"]),
        (b"\xff\x00\n\xfe", [b"\xff\x00", b"\xfe"]),
    ],
)
def test_every_line_comes_once(tmp_path: Path, content: bytes, expected: list[bytes]) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(content)
    assert lines(path) == expected


def test_lines_are_numbered_from_one(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"a\n\nb")
    assert list(read_lines(path, 10)) == [Line(1, b"a"), Line(2, b""), Line(3, b"b")]


@pytest.mark.parametrize("length", [9, 10, 11, 12, 13, 100, 5000])
def test_a_long_line_comes_cut_and_the_next_one_whole(tmp_path: Path, length: int) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"a" * length + b"\nnext\n")
    assert lines(path, longest=10) == [b"a" * min(length, 11), b"next"]


def test_a_gzipped_file_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(b"a\nb\n"))
    assert lines(path) == [b"a", b"b"]


def test_a_gzipped_file_that_ends_early_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(os.urandom(4000).hex().encode() + b"\n")[:-900])
    with pytest.raises(InputError, match=r"in\.jsonl\.gz, line 1"):
        lines(path, longest=10_000)


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb")))
    assert lines(STANDARD) == [b"a", b"b"]


@pytest.mark.parametrize("name", ["nowhere.jsonl", "."])
def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        lines(tmp_path / name)


def test_what_is_written_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.jsonl"
    with written(path) as out:
        out.write(b"a\n")
        assert not path.exists()
    assert path.read_bytes() == b"a\n"


def test_after_a_failure_the_old_file_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with written(path) as out:
            out.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"out.jsonl": b"old"}


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with written(tmp_path / "link") as out:
        out.write(b"a")
    assert (tmp_path / "real").read_bytes() == b"a"
    assert (tmp_path / "link").is_symlink()


def test_a_device_is_written_as_it_comes() -> None:
    with written(Path(os.devnull)) as out:
        out.write(b"a")
    assert not Path(os.devnull).is_file()


def test_a_file_is_readable_as_any_other_that_is_made_here(tmp_path: Path) -> None:
    with written(tmp_path / "out") as out:
        out.write(b"a")
    (tmp_path / "plain").write_bytes(b"a")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_place_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"), written(tmp_path / "file" / "out"):
        pass
