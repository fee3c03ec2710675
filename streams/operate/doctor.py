"""`tocsin doctor`: everything a worker and a notifier need, tried out, with advice for what is wrong.

What is looked at is the real thing: a session on the chosen provider, every byte of the release, the cluster's
own answers. Where no release was ever chosen, the shipped one is assembled, as a worker's first start would.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.errors import ModelError
from streams.errors import TocsinError
from streams.operate import admin
from streams.operate.terminal import harmless
from streams.settings import Settings

Verdict = Literal["ok", "warning", "failure"]

LEAST_FREE_SHARE = 0.05
LEAST_FREE_BYTES = 1 << 30
OLDEST_KAFKA = (2, 8)
"""Idempotent producing without ZooKeeper's leftovers; what tocsin is tested on is 4.1 and later."""
TESTED_KAFKA = (4, 1)
BREAKING = frozenset({"cleanup.policy", "max.message.bytes"})
"""Topic configurations without which something stops or is lost; the others are advice."""
MARKS = {"ok": "ok", "warning": "look", "failure": "FAIL"}


class Finding(Struct, frozen=True):
    """What one check found; ``advice`` says what to do and is empty where nothing is to be done."""

    check: str
    verdict: Verdict
    detail: str
    advice: str = ""


def run(settings: Settings, *, as_json: bool) -> int:
    """Print every finding; exit status 1 if one is a failure."""
    findings = examine(settings)
    healthy = all(finding.verdict != "failure" for finding in findings)
    if as_json:
        typer.echo(msgspec.json.encode({"healthy": healthy, "findings": findings}).decode())
        return 0 if healthy else 1
    table = Table("check", "", "finding", "what to do", show_lines=False)
    for finding in findings:
        cells = (finding.check, MARKS[finding.verdict], finding.detail, finding.advice)
        table.add_row(*(Text(harmless(cell, 600)) for cell in cells))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160).print(table)
    return 0 if healthy else 1


def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order in which a person would mend them."""
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("python", _python),
        ("settings", _settings),
        ("disk", _disk),
        ("model", _model),
        ("broker", _broker),
        ("topics", _topics),
    )
    found: list[Finding] = []
    for name, check in checks:
        try:
            found += check(settings)
        except (TocsinError, ModelError, OSError) as exc:
            text, _, advice = str(exc).partition("; ")
            found.append(Finding(name, "failure", text, advice or "mend what the finding says"))
            if name == "broker":
                break  # the topics cannot be looked at either
    return found


def _python(_: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info < (3, 14):
        yield Finding("python", "ok", version)
    else:
        yield Finding("python", "failure", version, "install Python 3.11, 3.12 or 3.13")
    from streams.delivery.transport import require_compiled_streams

    require_compiled_streams()
    yield Finding("faust", "ok", f"{metadata.version('faust-streaming')}, compiled")
    installed = [name for name in ("onnxruntime", "onnxruntime-gpu") if _installed(name)]
    if len(installed) == 1:
        yield Finding("onnxruntime", "ok", f"{installed[0]} {metadata.version(installed[0])}")
    elif installed:
        advice = "uninstall both, then install the extra that fits: tocsin[cpu] or tocsin[gpu]"
        yield Finding("onnxruntime", "failure", "two packages that overwrite each other are installed", advice)
    else:
        yield Finding("onnxruntime", "failure", "not installed", "pip install 'tocsin[cpu]' (or 'tocsin[gpu]')")


def _settings(settings: Settings) -> Iterator[Finding]:
    from streams.intake.watchlist import WatchList

    watched = len(WatchList.load(settings.intake.watchlist).entities)
    if watched:
        yield Finding("watch-list", "ok", f"{watched} entities in {settings.intake.watchlist}")
    else:
        advice = "name a file in intake.watchlist; until then only entities that records name themselves are watched"
        yield Finding("watch-list", "warning", "empty", advice)
    kafka = settings.kafka
    if kafka.security_protocol.startswith("SASL"):
        kafka.password()
    kafka.ssl_context()
    if kafka.security_protocol == "PLAINTEXT" and not all(_is_local(broker) for broker in settings.brokers):
        advice = "set kafka.security_protocol = SASL_SSL (or SSL) where the network is not yours alone"
        yield Finding("security", "warning", "the brokers are not on this host and nothing is encrypted", advice)
    elif kafka.security_protocol == "SASL_PLAINTEXT":
        yield Finding("security", "warning", "documents and alerts travel unencrypted", "use SASL_SSL")
    else:
        yield Finding("security", "ok", kafka.security_protocol)
    if not _is_local(f"{settings.web.host}:0"):
        advice = "the pages have no login: set web.host = 127.0.0.1, or let only your monitoring reach them"
        yield Finding("web", "warning", f"health and metrics listen on {settings.web.host}", advice)


def _disk(settings: Settings) -> Iterator[Finding]:
    for name, path in (("state_dir", settings.state_dir), ("outbox", settings.outbox.parent)):
        there = _nearest(path)
        usage = shutil.disk_usage(there)
        detail = f"{path}: {usage.free / 2**30:.1f} GiB free"
        if not os.access(there, os.W_OK | os.X_OK):
            yield Finding(name, "failure", f"{path} cannot be written", "let this user write there, or name another")
        elif usage.free < max(LEAST_FREE_BYTES, LEAST_FREE_SHARE * usage.total):
            yield Finding(name, "failure", detail, "free some space: a full disk ends every process")
        else:
            yield Finding(name, "ok", detail)


def _model(settings: Settings) -> Iterator[Finding]:
    from models.assembly import ensure_shipped
    from models.registry import ALIASES, Registry
    from models.scorer import Scorer

    scoring = settings.scoring
    registry = Registry(scoring.registry)
    if scoring.release in ALIASES and scoring.release not in registry.aliases():
        ensure_shipped(scoring.registry)
    path = registry.resolve(scoring.release)
    registry.verify(scoring.release)
    yield Finding("release", "ok", f"{path.name}, every checksum holds")
    scorer = Scorer.load(path, **scoring.scorer_options())
    yield Finding("provider", "ok", f"{scorer.provider}, {scorer.precision}")
    if settings.streams and (
        unknown := {stream.taxonomy for stream in settings.streams.values()} - {*scorer.taxonomies}
    ):
        advice = f"set streams.*.taxonomy to one of: {', '.join(sorted(scorer.taxonomies))}"
        yield Finding("taxonomy", "failure", f"the release does not know {', '.join(sorted(unknown))}", advice)


def _broker(settings: Settings) -> Iterator[Finding]:
    with admin.admin_client(settings, "looking at the cluster") as client:
        cluster = client.describe_cluster()
        brokers = cluster["brokers"]
        version = tuple(client.get_broker_version_data(brokers[0]["broker_id"]).broker_version)
    where = f"{len(brokers)} broker{'s' if len(brokers) != 1 else ''} at {', '.join(settings.brokers)}"
    detail = f"{where}, speaks the protocol of {'.'.join(map(str, version))}"
    if settings.kafka.embedded:
        yield Finding("broker", "warning", f"{where}, embedded", "for looking only: it keeps nothing")
    elif version < OLDEST_KAFKA:
        yield Finding("broker", "failure", detail, "use Apache Kafka 4.1 or later")
    elif version < TESTED_KAFKA:
        yield Finding("broker", "warning", detail, "tocsin is tested on Apache Kafka 4.1 and later")
    else:
        yield Finding("broker", "ok", detail)
    if len(brokers) > 1 and settings.kafka.replication_factor == 1:
        advice = "set kafka.replication_factor to 3 (or -1, the broker's default) before making topics"
        yield Finding("replication", "warning", "topics would be made with a single copy", advice)


def _topics(settings: Settings) -> Iterator[Finding]:
    counts = admin.require_topics(settings)
    yield Finding("topics", "ok", f"all {len(counts)} are there")
    if settings.kafka.embedded:
        return
    actual = admin.topic_configs(settings, counts)
    for topic in settings.topics.all():
        for name, wanted in admin.configs(topic).items():
            found = actual[topic.name].get(name)
            if topic.name not in settings.topics.inputs and not _as_good(name, found, wanted):
                verdict: Verdict = "failure" if name in BREAKING else "warning"
                advice = (
                    f"kafka-configs.sh --bootstrap-server {settings.brokers[0]} --alter --entity-type topics "
                    f"--entity-name {topic.name} --add-config {name}={wanted}"
                )
                yield Finding("topic", verdict, f"{topic.name}: {name} is {found}, not {wanted}", advice)
    largest = max(counts[name] for name in settings.topics.inputs)
    if counts[settings.topics.scored] < largest:
        advice = "harmless for correctness; give it as many partitions as the largest input to keep up"
        yield Finding("topic", "warning", f"{settings.topics.scored} has fewer partitions than an input", advice)


def _as_good(name: str, found: str | None, wanted: str) -> bool:
    """Whether the topic configuration ``name`` does with ``found`` what it would with ``wanted``."""
    if found is not None and found.isdigit() and wanted.isdigit():
        return int(found) >= int(wanted)
    return found == wanted


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _is_local(broker: str) -> bool:
    host = broker.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _nearest(path: Path) -> Path:
    """``path`` or the closest directory above it that exists."""
    path = path.absolute()
    return path if path.exists() else _nearest(path.parent)
