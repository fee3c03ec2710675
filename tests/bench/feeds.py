"""How long two hundred feeds take that are polled once, hostile ones among them.

    python tests/bench/feeds.py [--feeds 200] [--rounds 3]

A local server with an address for every two feeds. Of a hundred, 68 are ordinary, 20 answer after a second, 4 hold five
thousand items, and 8 are hostile: two drip, one has no end, one never answers, one declares entities, one is a gzip
bomb, one sends to another network, one is shaped to be slow. `tocsin ingest rss --once` reads them with its default
settings into the embedded broker. Seconds of the whole command, the slowest round against the target; JSON on stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from streams.demo.processes import environment
from streams.feeds.settings import FeedsSettings
from streams.operate.admin import create_topics
from streams.operate.embedded import EmbeddedBroker, on_embedded
from streams.settings import Settings
from tests.streams.feeds.newsstand import open_newsstand

TARGET_SECONDS = 30.0
HOSTILE = ("drip", "drip", "endless", "silent", "laughs", "bomb", "metadata", "unclosed")
OTHERS = ("late",) * 20 + ("huge",) * 4
ORDINARY = ("good", "atom", "latin1", "stray")


def kinds(count: int) -> list[str]:
    """What each feed is, the same mix in every hundred."""
    hundred = [*HOSTILE, *OTHERS, *(ORDINARY[n % len(ORDINARY)] for n in range(100 - len(HOSTILE) - len(OTHERS)))]
    return [hundred[n % 100] for n in range(count)]


def look(settings: Settings, path: Path) -> tuple[float, dict[str, int]]:
    """One run of the verb: its seconds, and how many feeds ended how."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", "ingest", "rss", str(path), "--once", "--json"],
        env=environment(settings, os.environ),
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds = time.monotonic() - began
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    counts = {kind: sum(one["kind"] == kind for one in outcomes) for kind in ("new", "unchanged", "failed", "waiting")}
    return seconds, {**counts, "sent": sum(one["sent"] for one in outcomes)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    wanted = kinds(arguments.feeds)
    hosts = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range((len(wanted) + 1) // 2)]
    rounds = []
    with open_newsstand(hosts) as stand, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "feeds.txt"
        # The number behind an address makes it another feed; the server leaves it unread.
        path.write_text("".join(f"{stand.url(kind, hosts[n // 2])}?{n}\n" for n, kind in enumerate(wanted)))
        for number in range(arguments.rounds):
            with EmbeddedBroker() as servers:
                settings = on_embedded(Settings(prefix=f"r{number}", state_dir=Path(folder)), servers)
                settings = settings.model_copy(update={"feeds": FeedsSettings(private_hosts=tuple(hosts))})
                create_topics(settings)
                rounds.append(look(settings, path))
    slowest = max(seconds for seconds, _ in rounds)
    figures = {
        "feeds": len(wanted),
        "hosts": len(hosts),
        "seconds": [round(seconds, 1) for seconds, _ in rounds],
        "outcomes": rounds[0][1],
        "core_seconds_a_round": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime / len(rounds), 1),
        "target_seconds": TARGET_SECONDS,
        "met": slowest <= TARGET_SECONDS,
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
