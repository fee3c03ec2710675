"""The Kubernetes manifests: sound by the published schemas, and what they say of tocsin is so."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from streams.operate.rights import COMPONENTS
from streams.settings import Settings
from tocsin import app

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
VERSION = "1.34"
OF_KEDA = "keda.sh/v1alpha1"
COMMANDS: Any = typer.main.get_command(app)


def objects(*paths: Path) -> list[dict[str, Any]]:
    return [one for path in paths for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


BASE = objects(*sorted(path for path in (FOLDER / "base").glob("*.yaml") if path.name != "kustomization.yaml"))
WORKLOADS = {one["metadata"]["name"]: one for one in BASE if one["kind"] in ("Deployment", "StatefulSet", "Job")}
SCALED = {one["kind"]: one for one in objects(FOLDER / "scaling" / "scaledobject.yaml")}


@pytest.mark.parametrize("one", BASE, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_an_object_is_what_kubernetes_takes(one: dict[str, Any]) -> None:
    kubernetes_validate.validate(one, VERSION, strict=True)


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_an_overlay_builds(overlay: str) -> None:
    program = shutil.which("kubectl") or shutil.which("kustomize")
    if program is None:
        pytest.skip("neither kubectl nor kustomize: the overlays are not built")
    command = [program, "kustomize"] if program.endswith("kubectl") else [program, "build"]
    done = subprocess.run([*command, FOLDER / overlay], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    for one in built:
        assert one["metadata"]["namespace"] == "tocsin"
        if one["apiVersion"] != OF_KEDA:
            kubernetes_validate.validate(one, VERSION, strict=True)
    [worker] = [one for one in built if one["kind"] == "Deployment" and one["metadata"]["name"] == "worker"]
    assert "replicas" not in worker["spec"], "KEDA says how many; what is applied again must not"
    [container] = worker["spec"]["template"]["spec"]["containers"]
    given = {one["name"]: one["value"] for one in container["env"]}
    if overlay == "gpu":
        assert container["image"].endswith("-gpu")
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
        assert given["TOCSIN_SCORING__PROVIDER"] == "cuda"
    else:
        assert not container["image"].endswith(("-gpu", "-trainer"))
        assert given["TOCSIN_SCORING__PROVIDER"] == "cpu"


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_runs_bounded_and_without_privileges(name: str) -> None:
    pod = WORKLOADS[name]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    claimed = {claim["metadata"]["name"] for claim in WORKLOADS[name]["spec"].get("volumeClaimTemplates", ())}
    assert mounted == {volume["name"] for volume in pod["volumes"]} | claimed


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_component_is_a_verb_with_a_name_and_a_port_of_its_own(name: str) -> None:
    [container] = WORKLOADS[name]["spec"]["template"]["spec"]["containers"]
    command: Any = COMMANDS
    for word in container["args"]:
        if not hasattr(command, "commands"):
            break
        command = command.commands[word]
    user = {one["name"]: one["value"] for one in container["env"]}["TOCSIN_KAFKA__SASL_USERNAME"]
    component = user.removeprefix("tocsin-")
    assert component in COMPONENTS
    secrets = {
        volume["secret"]["secretName"]
        for volume in WORKLOADS[name]["spec"]["template"]["spec"]["volumes"]
        if "secret" in volume
    }
    assert f"kafka-{component}" in secrets
    if name == "topics":
        return
    settings = Settings()
    ports = {
        **{"worker": settings.web.port, "notifier": settings.notify.port, "annotator": settings.annotate.port},
        **{"archive": settings.archive.port, "feeds": settings.feeds.port, "trainer": settings.trainer.port},
    }
    assert [port["containerPort"] for port in container["ports"]] == [ports[name]]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "web"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "web"}
    [service] = [one for one in BASE if one["kind"] == "Service" and one["metadata"]["name"] == name]
    assert service["spec"]["ports"][0]["port"] == ports[name]
    assert service["spec"]["selector"].items() <= WORKLOADS[name]["spec"]["template"]["metadata"]["labels"].items()


def test_the_settings_hold_once_each_component_has_its_secrets(tmp_path: Path) -> None:
    told = tomllib.loads((FOLDER / "base" / "tocsin.toml").read_text(encoding="utf-8"))
    (tmp_path / "password").write_text("secret")
    told["kafka"] |= {"sasl_password_file": tmp_path / "password", "sasl_username": "tocsin-worker"}
    del told["kafka"]["ssl_cafile"]
    Settings(**told)


def test_scaling_follows_the_lag_of_every_input_up_to_its_partitions() -> None:
    told = tomllib.loads((FOLDER / "base" / "tocsin.toml").read_text(encoding="utf-8"))
    spec = SCALED["ScaledObject"]["spec"]
    assert spec["scaleTargetRef"] == {"name": "worker"}
    assert spec["maxReplicaCount"] == told["kafka"]["input_partitions"]
    assert spec["minReplicaCount"] == 1
    assert {trigger["metadata"]["topic"] for trigger in spec["triggers"]} == {
        stream["topic"] for stream in told["streams"].values()
    }
    for trigger in spec["triggers"]:
        assert trigger["type"] == "kafka"
        assert trigger["metadata"]["bootstrapServers"] == told["brokers"][0]
        assert trigger["metadata"]["consumerGroup"] == "tocsin-score"
        assert trigger["authenticationRef"]["name"] == SCALED["TriggerAuthentication"]["metadata"]["name"]
