"""The compose stack and the images, as far as they can be held to something without a Docker."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from streams.settings import Settings, load
from tests.deploy.conftest import Tool
from tocsin import app

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose"
DOCKERFILE = (ROOT / "deploy" / "images" / "Dockerfile").read_text(encoding="utf-8")
STACK: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("tocsin:")}
COMMANDS: Any = typer.main.get_command(app)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What a component of the stack reads, its token put where this test may write."""
    (tmp_path / "token").write_text("the-long-one-of-sixteen")
    text = (COMPOSE / "tocsin.toml").read_text(encoding="utf-8")
    assert "/run/secrets/page-token" in text
    (tmp_path / "tocsin.toml").write_text(text.replace("/run/secrets/page-token", str(tmp_path / "token")))
    return load(tmp_path / "tocsin.toml")


def test_the_file_is_what_the_specification_says() -> None:
    check = Path(sys.executable).parent / "check-jsonschema"
    done = subprocess.run(
        [check, "--builtin-schema", "vendor.compose-spec", COMPOSE / "compose.yaml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_that_belongs_together_is_there() -> None:
    assert {
        *("kafka", "topics", "worker", "notifier", "annotator", "archive", "trainer", "feeds"),
        *("prometheus", "alertmanager", "grafana"),
    } == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_bounded_and_without_privileges(name: str) -> None:
    service = SERVICES[name]
    user, _, group = service["user"].partition(":")
    assert int(user) > 0
    assert group.isdigit()
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is (name != "kafka")
    assert service["pids_limit"]
    assert name == "topics" or service["mem_limit"]
    assert not service.get("privileged")
    tag = service["image"].rpartition(":")[2]
    assert re.search(r"\d+\.\d+", tag), "an image is named by its version"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert name == "topics" or "test" in service.get("healthcheck", {}) or name in OURS
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        assert (COMPOSE / source).exists() if source.startswith(".") else source in STACK["volumes"], volume


@pytest.mark.parametrize("name", OURS)
def test_a_component_is_a_verb_that_exists_and_is_asked_at_its_own_port(name: str, settings: Settings) -> None:
    service = OURS[name]
    command: Any = COMMANDS
    for word in service["command"]:
        if not hasattr(command, "commands"):
            break
        command = command.commands[word]
    assert "--config" in {option for parameter in command.params for option in parameter.opts}
    ports = {
        **{"worker": settings.web.port, "notifier": settings.notify.port, "annotator": settings.annotate.port},
        **{"archive": settings.archive.port, "feeds": settings.feeds.port, "trainer": settings.trainer.port},
    }
    if name == "topics":
        assert service["healthcheck"] == {"disable": True}
        return
    assert service["environment"]["HEALTH_PORT"] == ports[name]
    assert name in {volume.split(":")[0] for volume in service["volumes"]}


def test_the_worker_sees_the_archive_that_its_page_searches() -> None:
    place = tomllib.loads((COMPOSE / "tocsin.toml").read_text(encoding="utf-8"))["archive"]["path"]
    volume = f"archive:{Path(place).parent}"
    assert all(volume in OURS[name]["volumes"] for name in ("archive", "worker"))
    assert re.search(rf"install --directory --owner tocsin .*{Path(place).parent}", DOCKERFILE), (
        "a volume takes its owner"
    )


def test_prometheus_looks_at_every_component_at_its_port(promtool: Tool, tmp_path: Path) -> None:
    shutil.copy(COMPOSE / "prometheus.yml", tmp_path)
    shutil.copy(ROOT / "deploy" / "prometheus" / "tocsin.rules.yml", tmp_path)
    checked = promtool("check", "config", tmp_path / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    found = {}
    for job in yaml.safe_load((COMPOSE / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]:
        for place in job.get("static_configs", ()):
            name, _, port = place["targets"][0].partition(":")
            found[name] = int(port)
        for place in job.get("dns_sd_configs", ()):
            found[place["names"][0]] = place["port"]
    wanted = {name: service["environment"]["HEALTH_PORT"] for name, service in OURS.items() if name != "topics"}
    assert found == wanted


def test_secrets_stay_out_of_the_checkout() -> None:
    assert all(secret["file"].startswith("./secrets/") for secret in STACK["secrets"].values())
    assert (COMPOSE / "secrets" / ".gitignore").read_text(encoding="utf-8") == "*\n!.gitignore\n"


def test_every_image_is_a_stage_of_its_own_that_runs_as_nobody() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert {"serving", "gpu", "trainer"} <= {name for base, name in stages if base == "runtime"}
    assert stages[-1][1] == "serving"
    assert "\nUSER 10001:10001\n" in DOCKERFILE
    built = {service["build"]["target"] for service in OURS.values() if "build" in service}
    assert built == {"serving", "trainer"}
    serving = DOCKERFILE.split("AS serving-builder")[1].split("FROM")[0]
    gpu = DOCKERFILE.split("AS gpu-builder")[1].split("FROM")[0]
    assert "--extra train" not in serving + gpu
    assert "--extra cpu" not in gpu, "the two packages of ONNX Runtime overwrite each other"


def test_the_images_get_what_the_wheel_is_built_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in (*project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"], "pyproject.toml"):
        assert any(Path(name).match(line[1:]) for line in kept if line.startswith("!")), name
    for name in (project["project"]["readme"], *project["project"]["license-files"], "constraints.txt"):
        assert f"!{name}" in kept
    assert kept[1] == "*"
