"""SASL and TLS: the whole line over an encrypted, authenticated listener, and clear words where it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import trustme

from tests.broker.instance import Instance
from tests.broker.scenario import close_books, come_to_rest, send_all, watched_run
from tests.broker.secure import SecureBroker, secure_broker

USER, PASSWORD = "tocsin", "correct horse battery"
RECORDS = 600


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    with secure_broker(tmp_path_factory.mktemp("secure"), [USER], PASSWORD) as broker:
        yield broker


@pytest.fixture
def secured(broker: SecureBroker, new_instance: Callable[..., Instance]) -> Callable[..., Instance]:
    """Makes instances whose workers know only the secure listener; the test itself uses the plaintext one."""

    def make(**changes: object) -> Instance:
        kafka: Mapping[str, object] = {**broker.kafka_settings(USER), **changes}
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
