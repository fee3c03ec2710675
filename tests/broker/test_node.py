"""The node that the other tests stand on: killed and started again, it is the same cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.kafka import kafka as kafka_script
from deploy.kafka.kafka import KafkaNode, KafkaNodeError, free_port, speaks_kafka
from tests.broker.instance import Instance
from tests.broker.tail import Tail

SCRIPT = Path(kafka_script.__file__)


def test_a_killed_node_comes_back_with_what_it_had_acknowledged(
    breakable: KafkaNode, new_instance: Callable[..., Instance]
) -> None:
    instance = new_instance(servers=breakable.servers)
    with instance.generator() as generator:
        generator.send_raw("news", 0, b"kept", name="kept")
        generator.settle()
    port, pid = breakable.port, breakable.pid()
    breakable.kill()
    assert not speaks_kafka(port)
    breakable.start()
    assert breakable.port == port
    assert breakable.pid() != pid
    with Tail(breakable.servers, list(instance.topics.values())) as tail:
        assert [record.value for record in tail.read()] == [b"kept"]


def test_starting_a_running_node_changes_nothing(breakable: KafkaNode) -> None:
    pid = breakable.pid()
    breakable.start()
    assert breakable.pid() == pid


def test_a_taken_port_is_refused_with_advice(kafka_node: KafkaNode, tmp_path: Path) -> None:
    with pytest.raises(KafkaNodeError, match="choose another --port"):
        KafkaNode(tmp_path, kafka_node.port).start()


def test_the_script_says_what_to_install_where_it_may_not(tmp_path: Path) -> None:
    """Without Java, Maven and apt on the path it names the packages and fails."""
    environment = {**os.environ, "PATH": str(tmp_path), "TOCSIN_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, SCRIPT, "fetch"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "maven" in done.stderr
    assert "openjdk-17" in done.stderr


def test_the_script_tells_a_node_that_does_not_run(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "status", "--data", str(tmp_path / "none"), "--port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, "does not run" in done.stderr) == (1, True)
