"""Topics: how many partitions they get, and that making them twice makes nothing the second time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from streams.errors import BrokerError, TopicsError
from streams.operate import admin
from streams.operate.client import aiokafka_options, diagnosis, kafka_python_options
from streams.operate.embedded import BANNER, PARTITIONS, EmbeddedBroker, on_embedded
from streams.settings import KafkaSettings, Settings


@pytest.fixture(scope="module")
def embedded() -> Iterator[Settings]:
    with EmbeddedBroker() as servers:
        yield on_embedded(Settings(), servers)


def test_topics_of_an_embedded_broker_are_made_once(embedded: Settings) -> None:
    settings = embedded.model_copy(update={"prefix": "once"})
    names = [topic.name for topic in settings.topics.all()]
    assert set(admin.missing_topics(settings)) >= {name for name in names if name.startswith("once.")}
    admin.create_topics(settings)
    assert admin.missing_topics(settings) == []
    assert admin.create_topics(settings) == []
    assert admin.require_topics(settings) == dict.fromkeys(names, PARTITIONS)


def test_looking_at_a_topic_does_not_make_it(embedded: Settings) -> None:
    settings = embedded.model_copy(update={"prefix": "looked-at"})
    assert admin.partition_counts(settings, ["looked-at.alerts.v1"]) == {}
    assert "looked-at.alerts.v1" in admin.missing_topics(settings)


def test_a_missing_topic_is_named_with_what_to_do(embedded: Settings) -> None:
    with pytest.raises(TopicsError, match=r"absent\.alerts\.v1.*tocsin topics create"):
        admin.require_topics(embedded.model_copy(update={"prefix": "absent"}))


def test_another_count_of_observation_partitions_is_refused(embedded: Settings) -> None:
    settings = embedded.model_copy(
        update={"prefix": "moved", "kafka": embedded.kafka.model_copy(update={"observation_partitions": 8})}
    )
    admin.create_topics(settings)
    with pytest.raises(TopicsError, match="observation_partitions = 4"):
        admin.require_topics(settings)


def test_a_broker_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.operate.client.BOOTSTRAP_SECONDS", 0.3)
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1 .*--brokers"):
        admin.missing_topics(Settings(brokers=("127.0.0.1:1",)))


def test_why_a_broker_cannot_be_talked_to_is_found_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        broker = f"127.0.0.1:{listening.getsockname()[1]}"
        assert "takes connections" in diagnosis(Settings(brokers=(broker,)))
        sasl = KafkaSettings(security_protocol="SASL_PLAINTEXT", sasl_username="bell", sasl_password="pw")
        assert "sasl_mechanism" in diagnosis(Settings(brokers=(broker,), kafka=sasl))
        greeter = threading.Thread(target=lambda: [listening.accept()[0].sendall(b"not TLS at all") for _ in range(3)])
        greeter.start()
        assert "does not speak TLS" in diagnosis(
            Settings(brokers=(broker,), kafka=KafkaSettings(security_protocol="SSL"))
        )
        greeter.join(10)
    assert "is a broker running there" in diagnosis(Settings(brokers=(broker,)))


def test_what_follows_the_inputs_gets_as_many_partitions_as_the_largest() -> None:
    settings = Settings(kafka=KafkaSettings(input_partitions=3, observation_partitions=5))
    planned = dict(
        zip(
            [topic.name for topic in settings.topics.all()],
            admin.planned_partitions(settings, {"reviews": 12}),
            strict=True,
        )
    )
    assert planned["news"] == 3
    assert planned["tocsin.news.dlq"] == 3
    assert planned["tocsin.reviews.dlq"] == 12
    assert planned["tocsin.scored.v1"] == 12
    assert planned["tocsin.observations.v1"] == planned["tocsin.state.v1"] == planned["tocsin.alerts.v1"] == 5
    assert planned["tocsin.releases.v1"] == 1


def test_alerts_and_state_are_compacted_and_observations_may_be_large() -> None:
    table = {topic.name: admin.configs(topic) for topic in Settings().topics.all()}
    assert table["tocsin.alerts.v1"]["cleanup.policy"] == "compact"
    assert table["tocsin.state.v1"]["cleanup.policy"] == "compact"
    assert table["tocsin.scored.v1"]["cleanup.policy"] == "delete"
    assert int(table["tocsin.observations.v1"]["max.message.bytes"]) > 1024 * 1024


def test_the_banner_is_loud_and_of_one_width() -> None:
    assert "LOSES DATA" in BANNER
    assert len({len(line) for line in BANNER.splitlines()}) == 1


def test_plaintext_options_carry_no_secrets_and_no_tls() -> None:
    for options in (kafka_python_options(Settings()), aiokafka_options(Settings())):
        assert options["security_protocol"] == "PLAINTEXT"
        assert not {"ssl_context", "sasl_plain_password", "api_version"} & set(options)


def test_sasl_over_tls_reaches_both_clients_with_checked_host_names() -> None:
    kafka = KafkaSettings(
        security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-256", sasl_username="bell", sasl_password="pw"
    )
    for options in (kafka_python_options(Settings(kafka=kafka)), aiokafka_options(Settings(kafka=kafka))):
        assert options["sasl_mechanism"] == "SCRAM-SHA-256"
        assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("bell", "pw")
        assert options["ssl_context"].check_hostname


def test_only_the_embedded_broker_is_spoken_to_in_a_fixed_protocol(embedded: Settings) -> None:
    assert kafka_python_options(embedded)["api_version"] == (2, 1)
