#!/usr/bin/env python3
"""One Apache Kafka node on the loopback interface, from its Maven artifacts: no container, no archive.

    python deploy/kafka/kafka.py start [--port 9092] [--data DIR]
    python deploy/kafka/kafka.py status | stop [--data DIR]
    python deploy/kafka/kafka.py fetch

Standard library only, so that it runs before anything is installed. The jars (45 files, 43 MB; ``pom.xml``
pins them) lie in ``$TOCSIN_CACHE`` or ``~/.cache/tocsin``, the node's files in ``--data``. A Java 17 and Maven
are installed through apt where they are missing and this process may. :class:`KafkaNode` is the same node
for tests, which also kill it.
"""
# ruff: noqa: S603, S607 - it runs java, mvn and apt-get as the path finds them; no argument comes from outside

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
OLDEST_JAVA = 17
DEBIAN_PACKAGES = {"java": "openjdk-17-jre-headless", "mvn": "maven"}
START_SECONDS = 90.0
STOP_SECONDS = 30.0


class KafkaNodeError(Exception):
    """The node cannot be fetched, started or stopped; the text says what to do."""


def cache_root() -> Path:
    """Where fetched files are kept: ``$TOCSIN_CACHE``, else ``~/.cache/tocsin``."""
    named = os.environ.get("TOCSIN_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "tocsin"


def fetch() -> Path:
    """Return the directory of jars, fetched through Maven where it is not complete yet.

    The directory's name carries a digest of ``pom.xml``: another pin is another directory. Maven copies into a
    staging directory that is renamed last, so that a run cut short leaves nothing that looks complete.
    """
    pin = uuid.uuid5(uuid.NAMESPACE_URL, (HERE / "pom.xml").read_text(encoding="utf-8")).hex[:12]
    jars = cache_root() / "kafka" / pin
    if jars.is_dir():
        return jars
    require_programs("java", "mvn")
    staging = jars.with_name(f"{pin}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    say(f"fetching Apache Kafka into {jars}")
    command = ["mvn", "-B", "-q", "-f", str(HERE / "pom.xml"), f"{DEPENDENCY_PLUGIN}:copy-dependencies"]
    done = subprocess.run([*command, f"-DoutputDirectory={staging}"], stdout=sys.stderr, check=False)
    if done.returncode != 0 or not any(staging.glob("kafka_2.13-*.jar")):
        raise KafkaNodeError(f"Maven could not fetch Apache Kafka; try it by hand: {' '.join(command)}")
    with contextlib.suppress(OSError):  # another process was faster: its directory is the same
        staging.rename(jars)
    shutil.rmtree(staging, ignore_errors=True)
    return jars


def require_programs(*programs: str) -> None:
    """Make sure that ``java`` (17 or later) and ``mvn`` can be run; install them where apt may be used.

    Raises:
        KafkaNodeError: one is missing and cannot be installed here; the text names the packages.
    """
    missing = [DEBIAN_PACKAGES[name] for name in programs if shutil.which(name) is None]
    if "java" in programs and not missing and java_version() < OLDEST_JAVA:
        missing.append(DEBIAN_PACKAGES["java"])
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        wanted = " ".join(missing)
        raise KafkaNodeError(
            f"Apache Kafka needs Java {OLDEST_JAVA} or later and Maven. Install them, then run this again: "
            f"`sudo apt-get install {wanted}` on Debian and Ubuntu, `brew install openjdk@17 maven` on macOS. "
            f"Or name a broker that already runs in TOCSIN_TEST_KAFKA."
        )
    say(f"installing {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    for command in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise KafkaNodeError(f"apt-get could not install {' '.join(missing)}; install Java 17 and Maven by hand")


def java_version() -> int:
    """The major version of the ``java`` on the path; 0 where it does not say."""
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    quoted = told.split('"')
    major = quoted[1].split(".")[0] if len(quoted) > 1 else ""
    return int(major) if major.isdigit() else 0


class KafkaNode:
    """A single KRaft node, broker and controller in one, whose files outlive its process.

    ``port`` 0 takes a free one; ``properties`` change or add broker settings, ``format_options`` go to the tool
    that formats the storage (``--add-scram ...``). Killed and started again it is the same cluster: same ports,
    same log.
    """

    def __init__(
        self,
        data: Path,
        port: int = 9092,
        *,
        heap_mb: int = 384,
        properties: Mapping[str, object] | None = None,
        format_options: Sequence[str] = (),
    ) -> None:
        self.data = data.resolve()
        self._known = self.data / "node.json"
        known = json.loads(self._known.read_text()) if self._known.is_file() else {}
        self.port = port or known.get("port") or free_port()
        self._controller_port = known.get("controller_port") or free_port()
        self._heap_mb = heap_mb
        self._changes = dict(properties or {})
        self._format_options = tuple(format_options)

    @property
    def servers(self) -> str:
        """The bootstrap servers, as every client takes them."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data / "broker.log"

    def pid(self) -> int | None:
        """The process id of the running node, or ``None``."""
        try:
            pid = int((self.data / "kafka.pid").read_text())
            # A pid is reused after a while: believe it only where it is still our Java. Empty is a young process.
            command = Path(f"/proc/{pid}/cmdline")
            said = command.read_bytes() if command.exists() else b""
            if said and str(self.data).encode() not in said:
                return None
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid if not _is_zombie(pid) else None

    def start(self, timeout: float = START_SECONDS) -> None:
        """Start the node and return once it answers requests; does nothing where it already runs."""
        if self.pid() is None:
            jars = fetch()
            require_programs("java")
            if answers(self.port):
                raise KafkaNodeError(f"something else already listens on port {self.port}; choose another --port")
            self._lay_out(jars)
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    self._java(jars, "kafka.Kafka", str(self.data / "server.properties")),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.data, start_new_session=True,
                )  # fmt: skip
            (self.data / "kafka.pid").write_text(f"{process.pid}\n")
        deadline = time.monotonic() + timeout
        while not speaks_kafka(self.port):
            if self.pid() is None:
                raise KafkaNodeError(f"the broker ended while it started; its last words:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise KafkaNodeError(f"no answer on port {self.port} after {timeout:.0f} s; see {self.log}")
            time.sleep(0.1)

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """End the node cleanly (TERM); killed where it has not ended in ``timeout`` seconds."""
        if not self._signal(signal.SIGTERM, timeout):
            self.kill()

    def kill(self) -> None:
        """End the node with -9, as a power cut would."""
        if not self._signal(signal.SIGKILL, STOP_SECONDS):
            raise KafkaNodeError(f"process {self.pid()} survived SIGKILL")

    def restart(self) -> None:
        """Stop cleanly and start again."""
        self.stop()
        self.start()

    def last_words(self, lines: int = 20) -> str:
        """The end of the broker's log."""
        if not self.log.is_file():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: signal.Signals, timeout: float) -> bool:
        """Send a signal and wait for the end; ``False`` where the process outlives ``timeout``."""
        pid = self.pid()
        deadline = time.monotonic() + timeout
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        while pid is not None and _runs(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        (self.data / "kafka.pid").unlink(missing_ok=True)
        return True

    def _lay_out(self, jars: Path) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self._known.write_text(json.dumps({"port": self.port, "controller_port": self._controller_port}))
        properties = self.data / "server.properties"
        properties.write_text(
            "".join(f"{name}={value}\n" for name, value in {**self._properties(), **self._changes}.items())
        )
        if (self.data / "log" / "meta.properties").is_file():
            return
        # Without a hyphen: one at the front would read as an option.
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
        tool = self._java(
            jars, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties), *self._format_options
        )
        done = subprocess.run(tool, capture_output=True, text=True, check=False, cwd=self.data)
        if done.returncode != 0:
            raise KafkaNodeError(f"the storage could not be formatted:\n{done.stdout}{done.stderr}")

    def _java(self, jars: Path, main: str, *arguments: str) -> list[str]:
        heap = [f"-Xms{min(self._heap_mb, 256)}m", f"-Xmx{self._heap_mb}m"]
        logging = f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}"
        options = ["-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true", logging]
        return ["java", *heap, *options, "-cp", f"{jars}/*", main, *arguments]

    def _properties(self) -> dict[str, object]:
        local = "127.0.0.1"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{local}:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{local}:{self.port},CONTROLLER://{local}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{local}:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.data / "log",
            "num.partitions": 4,
            "auto.create.topics.enable": "false",
            # One node: internal topics cannot have the three replicas they ask for by default.
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 8,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # A laptop's worth of memory, and no wait for members that never come.
            "group.initial.rebalance.delay.ms": 0,
            # After a kill the controller refuses the same id until the dead one's session has run out.
            "broker.session.timeout.ms": 4000,
            "broker.heartbeat.interval.ms": 1000,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 2,
        }


def speaks_kafka(port: int) -> bool:
    """Whether a broker on ``port`` answers an ApiVersions request (key 18, version 0): it has started."""
    client = b"tocsin"
    body = struct.pack(">hhih", 18, 0, 1, len(client)) + client
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            head = connection.recv(10, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(head) == 10 and struct.unpack(">iih", head)[1:] == (1, 0)


def answers(port: int) -> bool:
    """Whether anything accepts connections on the loopback ``port``."""
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A loopback port that nothing listens on at the moment."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(data: Path, port: int = 0) -> Iterator[KafkaNode]:
    """A node for the length of a ``with`` block."""
    node = KafkaNode(data, port)
    node.start()
    try:
        yield node
    finally:
        node.stop()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether the process has ended; one of our own children is reaped on the way."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def stay(node: KafkaNode) -> int:
    """Wait for Ctrl-C or TERM, then stop the node; 1 where it ended by itself."""
    over = [False]

    def end(*_: object) -> None:
        over[0] = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    say("Ctrl-C stops it")
    while not over[0]:
        if node.pid() is None:
            say(f"the broker has ended; its last words:\n{node.last_words()}")
            return 1
        time.sleep(0.5)
    node.stop()
    say("stopped")
    return 0


def say(text: str) -> None:
    """A line for the person who waits, on standard error."""
    sys.stderr.write(f"kafka: {text}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="One Apache Kafka node on the loopback interface.")
    parser.add_argument("action", choices=["start", "stop", "status", "fetch"])
    parser.add_argument("--port", type=int, default=9092, help="of the clients' listener (default: 9092)")
    parser.add_argument("--foreground", action="store_true", help="start: stay, and stop the node with Ctrl-C")
    parser.add_argument("--data", type=Path, help="the node's files (default: kafka-data in the cache)")
    arguments = parser.parse_args()
    try:
        if arguments.action == "fetch":
            say(f"jars are in {fetch()}")
            return 0
        node = KafkaNode(arguments.data or cache_root() / "kafka-data", arguments.port)
        if arguments.action == "start":
            node.start()
            say(f"Apache Kafka runs on {node.servers} (process {node.pid()}, files in {node.data})")
            return stay(node) if arguments.foreground else 0
        if arguments.action == "stop":
            node.stop()
            say("stopped")
            return 0
        up = node.pid() is not None and speaks_kafka(node.port)
        say(f"runs on {node.servers} (process {node.pid()})" if up else "does not run")
        return 0 if up else 1
    except KafkaNodeError as exc:
        say(str(exc))
        return 1


if __name__ == "__main__":
    sys.exit(main())
