"""Prometheus' rules: they hold what their tests say, read metrics that exist, and lead to a section of the runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from streams.metrics import Metrics
from tests.deploy.conftest import Tool
from trainer.cycle.metrics import TrainerMetrics

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "tocsin.rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]


def known_metrics() -> set[str]:
    """Every sample name a process of tocsin can expose, and those of Prometheus itself that we use."""
    registry = CollectorRegistry()
    metrics = Metrics.bind(registry)
    metrics.records_scored.labels("news").inc()
    TrainerMetrics.bind(registry)
    kinds = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",), "gauge": ("",)}
    names = {family.name + end for family in registry.collect() for end in kinds[family.type]}
    return names | {"up", "tocsin_ready"} | {rule["record"] for rule in RULES if "record" in rule}


def test_the_configuration_and_the_rules_are_sound(promtool: Tool) -> None:
    checked = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_rules_fire_when_they_must_and_not_when_they_must_not(promtool: Tool) -> None:
    tested = promtool("test", "rules", PROMETHEUS / "tocsin.tests.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("oldest_seconds) > 300", "oldest_seconds) > 30000"),
        ("tocsin:records_scored:rate5m == 0", "tocsin:records_scored:rate5m < 1000"),
        ("ratio5m > 0.01 and", "ratio5m > 0.01 or"),
        ("tocsin:lag_records:sum / (", "tocsin:lag_records:sum + ("),
    ],
)
def test_a_rule_that_is_wrong_is_caught(promtool: Tool, tmp_path: Path, right: str, wrong: str) -> None:
    rules = (PROMETHEUS / "tocsin.rules.yml").read_text(encoding="utf-8")
    assert right in rules
    (tmp_path / "tocsin.rules.yml").write_text(rules.replace(right, wrong), encoding="utf-8")
    (tmp_path / "tests.yml").write_bytes((PROMETHEUS / "tocsin.tests.yml").read_bytes())
    assert promtool("test", "rules", tmp_path / "tests.yml").returncode != 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_reads_metrics_that_exist(rule: dict[str, Any]) -> None:
    read = set(re.findall(r"\b(?:tocsin[_:][a-z0-9_:]+|up)\b", re.sub(r'"[^"]*"', "", rule["expr"])))
    assert read <= known_metrics()
    assert read or rule["expr"] == "vector(1)"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_to_do_and_is_tested(alert: dict[str, Any]) -> None:
    runbook = (DEPLOY / "RUNBOOK.md").read_text(encoding="utf-8")
    assert f"\n## {alert['alert']}\n" in runbook
    assert alert["annotations"]["runbook_url"].endswith(f"#{alert['alert'].lower()}")
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["labels"]["team"] == "platform"
    assert alert["labels"]["severity"] in ("critical", "warning", "none")
    tests = (PROMETHEUS / "tocsin.tests.yml").read_text(encoding="utf-8")
    assert re.search(rf'alertname(?:="|: ){alert["alert"]}\b', tests), "no test lets it fire"


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    headings = re.findall(r"^## (Tocsin\w+)$", (DEPLOY / "RUNBOOK.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(alert["alert"] for alert in ALERTS)


def test_both_processes_are_scraped_where_they_listen() -> None:
    from streams.settings import NotifySettings, WebSettings

    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    assert targets == {
        "tocsin-worker": [f"localhost:{WebSettings().port}"],
        "tocsin-notifier": [f"localhost:{NotifySettings().port}"],
    }
