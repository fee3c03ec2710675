"""How each Kafka client is told to reach the cluster: one place that turns settings into client options.

The embedded broker (``kafka.embedded``) answers kafka-python only when the protocol version is given
beforehand; asked for its versions, the client would wait for its whole bootstrap time and fail.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import errors as kafka_errors

from streams.errors import BrokerError
from streams.settings import Settings

EMBEDDED_API_VERSION = (2, 1)
"""The newest protocol that both kafka-python and librdkafka's mock cluster speak without asking."""

BOOTSTRAP_SECONDS = 10.0
"""A broker that is up answers in milliseconds; a person waits for the others."""

PROBE_SECONDS = 3.0


def kafka_python_options(settings: Settings, role: str = "operate") -> dict[str, Any]:
    """Keyword arguments for ``KafkaConsumer``, ``KafkaProducer`` and ``KafkaAdminClient`` of kafka-python."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.brokers),
        "client_id": settings.topics.group(role),
        "bootstrap_timeout_ms": int(BOOTSTRAP_SECONDS * 1000),
        "request_timeout_ms": int(settings.kafka.request_timeout_seconds * 1000),
        **_security(settings),
    }
    if settings.kafka.embedded:
        options["api_version"] = EMBEDDED_API_VERSION
    return options


def aiokafka_options(settings: Settings, role: str = "operate") -> dict[str, Any]:
    """Keyword arguments for ``AIOKafkaConsumer``, ``AIOKafkaProducer`` and aiokafka's admin client."""
    return {
        "bootstrap_servers": list(settings.brokers),
        "client_id": settings.topics.group(role),
        "request_timeout_ms": int(settings.kafka.request_timeout_seconds * 1000),
        **_security(settings),
    }


def _security(settings: Settings) -> dict[str, Any]:
    """The options that both clients spell alike. The password is read now, so a rotated file is seen."""
    kafka = settings.kafka
    options: dict[str, Any] = {"security_protocol": kafka.security_protocol}
    context = kafka.ssl_context()
    if context is not None:
        options["ssl_context"] = context
    if kafka.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        options["sasl_plain_password"] = kafka.password()
    return options


def records_between(
    settings: Settings, consumer: Any, starts: Mapping[Any, int], ends: Mapping[Any, int], most: int | None = None
) -> Iterator[Any]:
    """The records of the assigned partitions, from ``starts`` up to but without ``ends``, ``most`` at a poll.

    Raises:
        BrokerError: none came for the time of a request.
    """
    for partition, start in starts.items():
        consumer.seek(partition, start)
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        polled = consumer.poll(timeout_ms=int(settings.kafka.request_timeout_seconds * 1000), max_records=most)
        if not polled:
            raise BrokerError(
                f"{', '.join(settings.brokers)} gave no records for {settings.kafka.request_timeout_seconds:.0f} s; "
                f"is a partition of {', '.join(sorted({partition.topic for partition in ends}))} without a leader?"
            )
        for partition, records in polled.items():
            yield from (record for record in records if record.offset < ends[partition])


@contextmanager
def broker_errors(settings: Settings, doing: str) -> Iterator[None]:
    """Turn kafka-python's errors while ``doing`` something into a :class:`BrokerError` that says what to do."""
    where = ", ".join(settings.brokers)
    try:
        yield
    except kafka_errors.SaslAuthenticationFailedError as exc:
        raise BrokerError(
            f"{doing}: {where} refuses user {settings.kafka.sasl_username!r} ({settings.kafka.sasl_mechanism}); "
            "check kafka.sasl_username and kafka.sasl_password_file"
        ) from exc
    except kafka_errors.AuthorizationError as exc:
        raise BrokerError(
            f"{doing}: the cluster at {where} does not allow it ({type(exc).__name__}); give this user the right"
        ) from exc
    except (kafka_errors.KafkaTimeoutError, kafka_errors.KafkaConnectionError, kafka_errors.NodeNotReadyError) as exc:
        raise BrokerError(f"{doing}: {diagnosis(settings)}") from exc
    except kafka_errors.KafkaError as exc:
        raise BrokerError(f"{doing}: {where} answers {type(exc).__name__}: {str(exc)[:300]}") from exc


def diagnosis(settings: Settings) -> str:
    """Why the first broker cannot be talked to, and what to do: the client itself only says that it gave up."""
    broker, protocol = settings.brokers[0], settings.kafka.security_protocol
    host, _, port = broker.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS) as connection:
            context = settings.kafka.ssl_context()
            if context is not None:
                context.wrap_socket(connection, server_hostname=host).close()
    except ssl.SSLCertVerificationError as exc:
        return (
            f"the certificate of {broker} does not hold ({exc.verify_message}); name the CA that signed it in "
            "kafka.ssl_cafile, and the broker as its certificate does"
        )
    except ssl.SSLError as exc:
        return f"{broker} does not speak TLS here ({exc.reason}); does kafka.security_protocol fit its listener?"
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        return (
            f"no answer from {', '.join(settings.brokers)} ({reason}); is a broker running there? "
            "(--brokers or TOCSIN_BROKERS name another)"
        )
    advice = "does kafka.security_protocol fit its listener?"
    if protocol.startswith("SASL"):
        advice = f"check kafka.sasl_mechanism, sasl_username and sasl_password_file; {advice}"
    return f"{broker} takes connections and then hangs up or keeps silent over {protocol}; {advice}"
