"""A broker with a plaintext listener for the test and a SASL_SSL one for tocsin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from deploy.kafka.kafka import KafkaNode, free_port


@dataclass(frozen=True)
class SecureBroker:
    """Where the two listeners are, and what users need: the authority, and the password that all of them share."""

    plain: str
    secure: str
    authority: Path
    password: Path

    def kafka_settings(self, user: str) -> dict[str, object]:
        return {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": user,
            "sasl_password_file": self.password,
            "ssl_cafile": self.authority,
        }


@contextmanager
def secure_broker(
    folder: Path, users: list[str], password: str, properties: Mapping[str, object] | None = None
) -> Iterator[SecureBroker]:
    """Runs for the length of the block; ``users`` are known to it by SCRAM."""
    authority, kept, keystore = folder / "ca.pem", folder / "password", folder / "broker.pem"
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(authority))
    issued = ca.issue_cert("127.0.0.1")
    # Kafka reads private keys as PKCS #8 only.
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    keystore.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + chain)
    kept.write_text(password + "\n")
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
            **(properties or {}),
        },
        format_options=[
            word for user in users for word in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]")
        ],
    )
    node.start()
    try:
        yield SecureBroker(f"127.0.0.1:{plain}", f"127.0.0.1:{secure}", authority, kept)
    finally:
        node.stop()
