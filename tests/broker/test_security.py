"""SASL and TLS: the whole line over an encrypted, authenticated listener, and clear words where it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from deploy.kafka.kafka import KafkaNode, free_port
from tests.broker.instance import Instance
from tests.broker.scenario import close_books, come_to_rest, send_all, watched_run

USER, PASSWORD = "tocsin", "correct horse battery"
RECORDS = 600


@dataclass(frozen=True)
class SecureBroker:
    """A node with a plaintext listener for the test and a SASL_SSL one for tocsin."""

    plain: str
    secure: str
    authority: Path
    password: Path

    def kafka_settings(self) -> dict[str, object]:
        return {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": USER,
            "sasl_password_file": self.password,
            "ssl_cafile": self.authority,
        }


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    folder = tmp_path_factory.mktemp("secure")
    authority, password, keystore = folder / "ca.pem", folder / "password", folder / "broker.pem"
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(authority))
    issued = ca.issue_cert("127.0.0.1")
    # Kafka reads private keys as PKCS #8 only.
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    keystore.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + chain)
    password.write_text(PASSWORD + "\n")
    plain, secure, controller = free_port(), free_port(), free_port()
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    node = KafkaNode(
        folder / "node",
        plain,
        properties={
            "listeners": f"PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
            "listener.name.secure.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.secure.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.secure.ssl.keystore.type": "PEM",
            "listener.name.secure.ssl.keystore.location": keystore,
        },
        format_options=("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"),
    )
    node.start()
    yield SecureBroker(f"127.0.0.1:{plain}", f"127.0.0.1:{secure}", authority, password)
    node.stop()


@pytest.fixture
def secured(broker: SecureBroker, new_instance: Callable[..., Instance]) -> Callable[..., Instance]:
    """Makes instances whose workers know only the secure listener; the test itself uses the plaintext one."""

    def make(**changes: object) -> Instance:
        kafka: Mapping[str, object] = {**broker.kafka_settings(), **changes}
        instance = new_instance(servers=broker.plain, kafka=kafka)
        text = instance.config.read_text()
        assert broker.plain in text
        instance.config.write_text(text.replace(broker.plain, broker.secure))
        return instance

    return make


def test_the_whole_line_runs_over_sasl_and_tls(secured: Callable[..., Instance]) -> None:
    instance = secured()
    with watched_run(instance) as (generator, verifier, fleet):
        fleet.start()
        send_all(generator, seed=6, count=RECORDS)
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert (report.records, report.scored) == (RECORDS, RECORDS)
        assert fleet.stop() == [0]


def test_a_wrong_password_ends_the_worker_and_is_not_shown(secured: Callable[..., Instance], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong horse battery")
    worker = secured(sasl_password_file=wrong).worker()
    assert worker.wait(120) != 0
    assert "sasl" in worker.said().lower()
    assert "wrong horse" not in worker.log.read_text()


def test_a_certificate_of_another_authority_is_refused(secured: Callable[..., Instance], tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    worker = secured(ssl_cafile=other).worker()
    assert worker.wait(120) != 0
    assert "certificate" in worker.said().lower()
