"""docker-compose.yml without containers: its Kafka's settings on a real broker, its services as local processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from glowplug.cli import consumer_names
from glowplug.embedded.apache import ApacheBroker
from glowplug.embedded.places import free_port
from glowplug.errors import Fatal
from glowplug.settings import TopicNames
from tests.conftest import MISSING
from tests.support.compose import Service, local, running, services
from tests.support.outsider import Outsider
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.model]

READY_S = 120.0  # three processes load the model on two cores, and the first time two of them encode all labels
STOP_S = 30.0
OF_THE_IMAGE = ("CLUSTER_ID", "KAFKA_LOG_DIRS")  # the one is an argument of its format, the other a place in it


@dataclass(frozen=True, slots=True)
class Listeners:
    """Addresses of one broker: inside for the services, outside for the product's clients."""

    inside: str
    outside: str


@pytest.fixture(scope="module")
def kafka_of_compose(request: pytest.FixtureRequest) -> Iterator[Listeners]:
    """A real broker with the settings of the service `kafka`, its three listeners on free ports of this machine."""
    inside, outside, controller = free_port(), free_port(), free_port()
    here = {
        "kafka:19092": f"127.0.0.1:{inside}",
        "127.0.0.1:9092": f"127.0.0.1:{outside}",
        "localhost:9093": f"127.0.0.1:{controller}",
        "//:19092": f"//127.0.0.1:{inside}",
        "//:9092": f"//127.0.0.1:{outside}",
        "//:9093": f"//127.0.0.1:{controller}",
    }
    broker = ApacheBroker(properties=_properties(services()["kafka"], here), port=outside)
    try:
        broker.start()
    except Fatal as error:
        raise request.config.stash[MISSING].refusal(str(error), request.node.nodeid) from None
    yield Listeners(f"127.0.0.1:{inside}", f"127.0.0.1:{outside}")
    broker.stop()


def _properties(service: Service, here: dict[str, str]) -> dict[str, str]:
    """server.properties, named as the image names them: KAFKA_NODE_ID is node.id."""
    properties = {}
    for name, value in service.environment.items():
        if name not in OF_THE_IMAGE:
            for theirs, ours in here.items():
                value = value.replace(theirs, ours)
            properties[name.removeprefix("KAFKA_").replace("_", ".").lower()] = value
    return properties


def test_each_service_starts_as_it_stands_there_and_a_user_gets_a_list(
    kafka_of_compose: Listeners, redis_url: str, prefix: str, tmp_path: Path
) -> None:
    found = services({"KAFKA_BOOTSTRAP_SERVERS": kafka_of_compose.inside, "REDIS_URL": redis_url})
    _run(found.pop("topics"), prefix)
    consumers = [service for service in found.values() if service.is_ours and service.is_default]
    assert {service.consumer for service in consumers} == set(consumer_names()) - {"interaction_rekeyer"}
    with ExitStack() as stack:
        ports = {service.name: free_port() for service in consumers}
        processes = {
            service.name: stack.enter_context(
                running(
                    local(service.command),
                    _environment(service, prefix, ports[service.name]),
                    tmp_path / f"{service.name}.log",
                )
            )
            for service in consumers
        }

        def logs() -> str:
            return "\n".join(f"{name}: {(tmp_path / f'{name}.log').read_text()}" for name in processes)

        wait_until(
            lambda: all(_is_ok(port) for port in ports.values()) or any(p.poll() for p in processes.values()),
            READY_S,
            logs,
        )
        assert {name: process.poll() for name, process in processes.items()} == dict.fromkeys(processes), logs()
        for service in consumers:
            _check_health(service, ports[service.name])

        outsider = Outsider(kafka_of_compose.outside, prefix)
        stack.callback(outsider.close)
        outsider.item("shoe", "Trail running shoes", "Deep lugs for muddy mountain paths.")
        outsider.item("pan", "Cast iron bread pan", "For loaves with a crackling crust.")
        outsider.wait(lambda: len(outsider.latest("item_vectors")) == 2, logs)
        event = outsider.answer("ada", outsider.user("ada", "I bake sourdough bread at home."))
        assert event["items"][0]["item_id"] == "pan"
        with redis.Redis.from_url(redis_url) as store:
            document = wait_until(lambda: store.hget(f"{prefix}:recs:ada", "doc"), READY_S, logs)
        text = str(document, "utf-8") if isinstance(document, bytes) else document
        assert json.loads(text) in outsider.lists("ada")
        outsider.wait(lambda: outsider.latest("recommendations")["ada"]["stage"] == "refined", logs)

        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        codes = {name: process.wait(STOP_S) for name, process in processes.items()}
        assert codes == dict.fromkeys(processes, 0), logs()


def _environment(service: Service, prefix: str, port: int) -> dict[str, str]:
    """The service's own, with what would meet other tests' in its place; the host name is its container's."""
    topics = {f"KAFKA__TOPICS__{name.upper()}": f"{prefix}.{default}" for name, default in TopicNames()}
    ours = {
        **topics,
        "KAFKA__APPLICATION": prefix,
        "REDIS__KEY_PREFIX": f"{prefix}:",
        "OBSERVE__HOST": "127.0.0.1",
        "OBSERVE__PORT": str(port),
    }
    return {
        **service.environment,
        **{f"GLOWPLUG_{name}": value for name, value in ours.items()},
        "HOSTNAME": f"{service.name}-1",
    }


def _run(service: Service, prefix: str) -> None:
    """A service that does its work and ends."""
    environment = _environment(service, prefix, 0)
    command = local(service.command)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=READY_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{prefix}.recommendations" in done.stdout


def _check_health(service: Service, port: int) -> None:
    """By the service's own healthcheck."""
    how, program, *arguments = service.content["healthcheck"]["test"]
    assert (how, program) == ("CMD", "python")
    asked = [argument.replace("9464", str(port)) for argument in arguments]
    assert str(port) in asked[-1]
    subprocess.run([sys.executable, *asked], check=True, timeout=STOP_S)


def _is_ok(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            state: Any = json.loads(answer.read())["state"]
    except OSError:
        return False
    return bool(state == "ok")
