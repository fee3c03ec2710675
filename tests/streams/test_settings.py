"""Settings: one file and the environment, refused with a message that names the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.alerting import WebhookSettings
from streams.errors import SettingsError
from streams.settings import Settings, load


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TOCSIN_BROKERS", "TOCSIN_PREFIX"):
        monkeypatch.delenv(name, raising=False)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_defaults_hold() -> None:
    assert load().prefix == "tocsin"


def test_the_working_directory_s_file_is_read(tmp_path: Path) -> None:
    write(tmp_path / "tocsin.toml", 'prefix = "desk"')
    assert load().prefix == "desk"


def test_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.toml", "[scoring]\nslab_records = 64")
    monkeypatch.setenv("TOCSIN_SCORING__SLAB_RECORDS", "128")
    assert load(path).scoring.slab_records == 128


def test_the_command_line_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_BROKERS", "a:1")
    assert load(brokers="b:2,c:3").brokers == ("b:2", "c:3")


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml")


def test_what_is_not_toml_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"a\.toml"):
        load(write(tmp_path / "a.toml", "prefix = = 1"))


RISK = "[[rules]]\nname = 'a'\nlabels = { team = 'risk' }\n"
HOOK = "[[notify.webhooks]]\nurl = 'http://h/x'\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("unknown = 1", "unknown: there is no such setting"),
        ("[scoring]\nprovider = 'tpu'", r"scoring\.provider"),
        ("brokers = ['nohost']", "brokers: .*HOST:PORT"),
        ("[kafka]\nsecurity_protocol = 'SASL_SSL'", "kafka: .*sasl_username"),
        ("[kafka]\nheartbeat_seconds = 15", "kafka: .*third of session_timeout_seconds"),
        ("[[rules]]\nname = 'a'\n[[rules]]\nname = 'a'", "two rules share a name"),
        ("[[rules]]\nname = 'a'\nseries = ['entty:acme']", "rules.0.series: .*'entty:acme' is neither a kind"),
        ("[[rules]]\nname = 'a'\nseries = []", "rules.0.series: .*at least 1"),
        ("[[rules]]\nname = 'a'\nlabels = { severity = 'low' }", "rules.0.labels: .*every alert has already"),
        ("[[rules]]\nname = 'a'\nlabels = { my-team = 'x' }", "rules.0.labels: .*no label name"),
        ("[[rules]]\nname = 'a'\nlabels = { team = '' }", "rules.0.labels: .*1 to 100"),
        ("[[rules]]\nname = 'a'\nquiet_minutes = 1", "rules.0.quiet_minutes"),
        (f"{RISK}{HOOK}only = {{ team = 'rick' }}", "notify.webhooks.0.only: team is never rick; .*risk"),
        (f"{RISK}{HOOK}only = {{ squad = 'risk' }}", "notify.webhooks.0.only: no rule gives .*'squad'"),
        (f"{RISK}{HOOK}only = {{ severity = 'critical' }}", "severity is never critical; by the rules it is warning"),
        (f"{HOOK}name = 'x'\n{HOOK}name = 'x'", "notify.webhooks: two share a name"),
        ("[streams.a]\ntopic = 'x'\n[streams.b]\ntopic = 'x'", "each named once"),
        ("prefix = 'Not Allowed'", "prefix"),
    ],
)
def test_a_refused_value_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load(write(tmp_path / "a.toml", text))


def test_a_refused_secret_is_not_shown(tmp_path: Path) -> None:
    text = "[kafka]\nsasl_password = ['hunter2']"
    with pytest.raises(SettingsError) as refused:
        load(write(tmp_path / "a.toml", text))
    assert "hunter2" not in str(refused.value)


def test_secrets_are_masked_when_settings_are_printed(tmp_path: Path) -> None:
    text = "[kafka]\nsasl_username='u'\nsasl_password='hunter2'\n[[notify.webhooks]]\nurl='http://h/t0ken'"
    shown = repr(load(write(tmp_path / "a.toml", text)))
    assert "hunter2" not in shown
    assert "t0ken" not in shown


def test_the_password_file_wins(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret", "from-file\n")
    text = (
        "[kafka]\nsecurity_protocol='SASL_PLAINTEXT'\nsasl_username='u'\nsasl_password='inline'\n"
        f"sasl_password_file={str(secret)!r}"
    )
    assert load(write(tmp_path / "a.toml", text)).kafka.password() == "from-file"


def test_settings_never_change_after_start() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().prefix = "other"


def test_a_sink_may_ask_for_one_value_or_several() -> None:
    sink = WebhookSettings.model_validate({"url": "http://h/x", "only": {"team": "risk", "severity": ["a", "b"]}})
    assert sink.only == {"team": ("risk",), "severity": ("a", "b")}
