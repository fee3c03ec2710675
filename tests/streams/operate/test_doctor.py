"""The doctor tries the real things, and every failure says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.operate import doctor
from streams.operate.doctor import Finding
from streams.settings import IntakeSettings, KafkaSettings, ScoringSettings, Settings, StreamSettings, WebSettings


@pytest.fixture
def whole(settings: Settings, tiny_registry: Path, tmp_path: Path) -> Settings:
    """Settings with which nothing fails."""
    scoring = ScoringSettings(registry=str(tiny_registry), provider="cpu", threads=1)
    return settings.model_copy(update={"scoring": scoring, "state_dir": tmp_path / "not" / "yet"})


def failures(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding for finding in doctor.examine(settings) if finding.verdict == "failure"}


def test_a_healthy_host_passes(whole: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(whole, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["healthy"]
    assert {"python", "faust", "release", "provider", "state_dir", "outbox", "broker", "topics"} <= {
        finding["check"] for finding in told["findings"]
    }
    assert not (whole.state_dir).exists(), "looking makes nothing"


def test_every_failure_is_told_with_advice(whole: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = whole.model_copy(
        update={
            "prefix": "absent",
            "scoring": whole.scoring.model_copy(update={"release": "v9"}),
            "intake": IntakeSettings(watchlist=tmp_path / "none.toml"),
        }
    )
    assert doctor.run(broken, as_json=False) == 1
    assert "FAIL" in capsys.readouterr().out
    found = failures(broken)
    assert set(found) == {"settings", "model", "topics"}
    assert "tocsin topics create" in found["topics"].advice
    assert "v9" in found["model"].detail
    assert all(finding.advice for finding in found.values())


def test_a_corrupt_release_fails(whole: Settings, tmp_path: Path) -> None:
    from tests.models.tiny import build_tiny_release

    release = build_tiny_release(tmp_path / "registry")
    graph = release / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x00")
    scoring = whole.scoring.model_copy(update={"registry": str(tmp_path / "registry"), "release": "tiny"})
    assert set(failures(whole.model_copy(update={"scoring": scoring}))) == {"model"}


def test_a_gpu_that_is_not_there_fails_when_it_is_asked_for(whole: Settings) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this host's ONNX Runtime has CUDA")
    asked = whole.model_copy(update={"scoring": whole.scoring.model_copy(update={"provider": "cuda"})})
    assert set(failures(asked)) == {"model"}


def test_an_unknown_taxonomy_fails(whole: Settings) -> None:
    streams = {name: StreamSettings(topic=stream.topic, taxonomy="weather") for name, stream in whole.streams.items()}
    found = failures(whole.model_copy(update={"streams": streams}))
    assert "finance" in found["taxonomy"].advice


def test_a_broker_that_is_away_fails_once(whole: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.operate.client.BOOTSTRAP_SECONDS", 0.3)
    assert set(failures(whole.model_copy(update={"brokers": ("127.0.0.1:1",)}))) == {"broker"}


def test_a_directory_that_cannot_be_written_and_a_full_disk_fail(
    whole: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 1 << 62)
    assert {"state_dir", "outbox"} <= set(failures(whole))
    monkeypatch.undo()
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert "cannot be written" in failures(whole)["state_dir"].detail


def test_what_is_open_to_the_network_is_pointed_out(whole: Settings) -> None:
    exposed = whole.model_copy(
        update={
            "web": WebSettings(host="0.0.0.0"),
            "kafka": KafkaSettings(security_protocol="SASL_PLAINTEXT", sasl_username="u", sasl_password="p"),
        }
    )
    warned = {finding.check for finding in doctor._settings(exposed) if finding.verdict == "warning"}
    assert {"web", "security"} <= warned
    remote = whole.model_copy(update={"brokers": ("kafka.example.org:9092",), "kafka": KafkaSettings()})
    assert "security" in {finding.check for finding in doctor._settings(remote) if finding.verdict == "warning"}


@pytest.mark.parametrize(
    ("name", "found", "wanted", "good"),
    [
        ("cleanup.policy", "compact", "compact", True),
        ("cleanup.policy", "delete", "compact", False),
        ("cleanup.policy", None, "compact", False),
        ("max.message.bytes", "9000000", "8388608", True),
        ("max.message.bytes", "1048588", "8388608", False),
    ],
)
def test_a_topic_may_be_better_than_asked(name: str, found: str | None, wanted: str, good: bool) -> None:
    assert doctor._as_good(name, found, wanted) is good
