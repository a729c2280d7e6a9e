"""Everything in one process: it starts, works, tells how far it is, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console

from glowplug import up
from glowplug.embedded import stack as stack_module
from glowplug.embedded.pacing import gate_for
from glowplug.embedded.places import free_port
from glowplug.embedded.stack import Broker, Stack
from glowplug.errors import BadSettings, Fatal, ModelMissing, PortInUse, Unreachable
from glowplug.inference.fake import FakeEncoder
from glowplug.serving.store import Store
from glowplug.settings import (
    EncoderSettings,
    KafkaSettings,
    ObserveSettings,
    ProfileSettings,
    RedisSettings,
    Settings,
    TopicNames,
)
from glowplug.stream.step import Step
from tests.support.echo import Echo
from tests.support.events import interaction
from tests.support.kafka import latest_by_key, produce, producing, read_to_end, send
from tests.support.waiting import wait_until

SETTINGS = Settings(
    encoder=EncoderSettings(model="fake"), observe=ObserveSettings(port=0), profiles=ProfileSettings(model="off")
)


@contextmanager
def running(
    monkeypatch: pytest.MonkeyPatch,
    step: Echo | None = None,
    settings: Settings = SETTINGS,
    broker: Broker | None = None,
) -> Iterator[Stack]:
    _consumers(monkeypatch, step or Echo())
    with Stack(settings, broker=broker, encoder=FakeEncoder()) as stack:
        yield stack


@pytest.mark.embedded
@pytest.mark.redis
def test_with_nothing_configured_it_starts_and_works(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch) as stack:
        bootstrap = stack.settings.kafka.bootstrap_servers
        produce(bootstrap, "users", "ada", {"n": 1})
        stack.wait_idle(20)
        (record,) = read_to_end(bootstrap, "recommendations")

    assert (record.key, record.json()) == (b"ada", {"n": 1})


@pytest.mark.embedded
@pytest.mark.redis
def test_health_tells_the_broker_and_the_lag(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch) as stack:
        health = _health(stack)
    assert health == {
        "state": "ok",
        "components": {"echo": {"state": "ok", "detail": ""}},
        "broker": "builtin",
        "profiles": "off",
        "lag": 0,
    }


@pytest.mark.embedded
@pytest.mark.redis
def test_a_paced_producer_gets_everything_through(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch) as stack:
        gate = gate_for(stack.settings)
        assert gate is not None
        with producing(stack.settings.kafka.bootstrap_servers) as producer:
            for number in range(5_000):
                gate()
                send(producer, "users", f"user-{number}", b"x" * 200)
        stack.wait_idle(60)
        came = read_to_end(stack.settings.kafka.bootstrap_servers, "recommendations")

    assert len({record.key for record in came}) == 5_000


@pytest.mark.embedded
@pytest.mark.redis
def test_a_fatal_error_of_a_consumer_stops_the_stack_with_that_error(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ModelMissing("the model is gone: install it")
    with running(monkeypatch, Echo(b"poison", error)) as stack:
        produce(stack.settings.kafka.bootstrap_servers, "users", "ada", b"poison")
        assert stack.ended.wait(20)
        with pytest.raises(ModelMissing, match="the model is gone"):
            stack.check()
        with pytest.raises(ModelMissing, match="the model is gone"):
            stack.wait_idle(5)
        assert stack.health.state() == "stopped"


@pytest.mark.embedded
@pytest.mark.redis
def test_a_redis_server_that_dies_is_noticed(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch) as stack:
        (server,) = stack.programs
        server.kill()
        with pytest.raises(Unreachable, match="RedisServer ended by itself"):
            stack.check()


@pytest.mark.embedded
def test_an_unreachable_redis_is_told_before_a_broker_starts_and_a_model_loads() -> None:
    settings = SETTINGS.model_copy(update={"redis": RedisSettings(url=f"redis://127.0.0.1:{free_port()}/0")})
    stack = Stack(settings, broker="apache")
    with pytest.raises(Unreachable, match=r"start it, or mend redis\.url"):
        stack.start()
    assert (stack.programs, stack.encoder) == ([], None)


@pytest.mark.embedded
@pytest.mark.redis
def test_interactions_of_any_partitioner_come_through_where_that_is_set(redis_url: str) -> None:
    settings = SETTINGS.model_copy(update={"kafka": KafkaSettings(rekey_interactions=True)})
    users = [f"user-{number}" for number in range(20)]  # default and murmur2 agree on all of them once in 16 ** 20
    with Stack(settings, encoder=FakeEncoder()) as stack:
        assert stack.consumers[0] == "interaction_rekeyer"
        assert _health(stack)["components"]["interaction_rekeyer"] == {"state": "ok", "detail": ""}
        bootstrap = stack.settings.kafka.bootstrap_servers
        with producing(bootstrap, partitioner="consistent_random") as producer:
            for user in users:
                send(producer, "interactions", user, interaction(user, "i"))
        stack.wait_idle(30)
        states = latest_by_key(read_to_end(bootstrap, "user-states"))

    assert {user: len(states[user]["history"]) for user in users} == dict.fromkeys(users, 1)


@pytest.mark.kafka
@pytest.mark.redis
def test_your_own_broker_and_redis_are_used_where_named(
    kafka: str, redis_url: str, topics: TopicNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS.model_copy(
        update={
            "kafka": KafkaSettings(bootstrap_servers=kafka, topics=topics, application=topics.items),
            "redis": RedisSettings(url=redis_url),
        }
    )
    with running(monkeypatch, settings=settings) as stack:
        produce(kafka, topics.users, "ada", b"hello")
        stack.wait_idle(30)
        assert [record.value for record in read_to_end(kafka, topics.recommendations)] == [b"hello"]
        assert stack.programs == []
        assert _health(stack)["broker"] == "yours"


@pytest.mark.kafka
@pytest.mark.redis
def test_a_real_broker_is_started_on_request(kafka: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, broker="apache") as stack:
        produce(stack.settings.kafka.bootstrap_servers, "users", "ada", b"hello")
        stack.wait_idle(30)
        assert len(read_to_end(stack.settings.kafka.bootstrap_servers, "recommendations")) == 1
        assert not stack.settings.kafka.builtin


def test_two_brokers_are_one_too_many() -> None:
    settings = SETTINGS.model_copy(update={"kafka": KafkaSettings(bootstrap_servers="mine:9092")})
    with pytest.raises(BadSettings, match=r"--broker apache .* names mine:9092: give one of the two"):
        Stack(settings, broker="apache")


@pytest.mark.parametrize("port", ["kafka_port", "redis_port"])
def test_a_port_in_use_is_one_sentence_and_leaves_nothing(port: str) -> None:
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        stack = Stack(SETTINGS, **{port: taken.getsockname()[1]})
        with pytest.raises(PortInUse, match=f"--{port.replace('_', '-')}"):
            stack.start()
    wait_until(lambda: threading.active_count() <= before, 5, "the threads end")


@pytest.mark.embedded
@pytest.mark.redis
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(redis_url: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _consumers(monkeypatch, Echo())
    out = io.StringIO()
    handler = signal.getsignal(number)

    def interrupt() -> None:
        wait_until(lambda: "glowplug is up" in out.getvalue(), 30, "the banner")
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    up.run(SETTINGS, kafka_port=0, redis_port=0, console=Console(file=out, width=120))
    thread.join()

    assert "built-in broker: in memory" in out.getvalue()
    assert "glowplug publish - --bootstrap-servers" in out.getvalue()
    assert signal.getsignal(number) is handler


@pytest.mark.embedded
@pytest.mark.redis
def test_run_ends_with_the_error_of_a_consumer(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(Echo):
        def due(self) -> float | None:
            raise ModelMissing("no model: install it")

    _consumers(monkeypatch, Refusing())
    with pytest.raises(Fatal, match="no model") as raised:
        up.run(SETTINGS, kafka_port=0, redis_port=0, console=Console(file=io.StringIO()))
    assert raised.value.exit_code == 66


def _consumers(monkeypatch: pytest.MonkeyPatch, *steps: Echo) -> None:
    made: Sequence[tuple[Step[Any], Store | None]] = [(step, None) for step in steps]
    monkeypatch.setattr(stack_module, "steps", lambda *_: made)


def _health(stack: Stack) -> dict[str, Any]:
    url = f"http://127.0.0.1:{stack.settings.observe.port}/health"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
