"""The demo's product: it sends, hears, and says what did not happen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from confluent_kafka import Producer

from glowplug.demo import __main__ as demo
from glowplug.demo import cast
from glowplug.demo.outside import Arrived, Heard, Outside, answering, refining
from glowplug.embedded.kafka_builtin import BuiltinBroker
from glowplug.errors import NotInTime
from glowplug.events import Recommendations
from glowplug.settings import Settings, load
from tests.support.demo import profile_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIST = {
    "type": "recommendations",
    "user_id": cast.ADA,
    "reason": "user.created",
    "stage": "provisional",
    "covers": ["demo-1-ada"],
    "basis": {"text": 1.0, "profile": 0.0, "behaviour": 0.0, "popularity": 0.0},
    "items": [],
    "encoder": "fake",
    "epoch": 1,
    "source_event_time": NOW.isoformat(),
    "generated_at": NOW.isoformat(),
}


@pytest.fixture
def settings() -> Iterator[Settings]:
    with BuiltinBroker() as broker:
        settings = load(kafka={"bootstrap_servers": broker.bootstrap, "builtin": True})
        broker.create_topics(settings.kafka.topics.model_dump().values(), partitions=2)
        yield settings


def produced(settings: Settings, topic: str, key: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers})
    producer.produce(topic, key=key, value=value)
    assert producer.flush(5) == 0


@pytest.mark.embedded
def test_a_list_is_heard_with_the_moment_of_its_arrival(settings: Settings) -> None:
    with Outside(settings) as outside:
        produced(settings, "recommendations", cast.ADA, orjson.dumps(LIST))
        arrived = outside.wait(lambda heard: answering(heard, cast.ADA, "demo-1-ada"), 10, "Ada's list")
    assert arrived.event.user_id == cast.ADA
    assert abs(arrived.at - datetime.now(UTC)) < timedelta(minutes=1)
    assert arrived.ms_since(arrived.at - timedelta(milliseconds=40)) == pytest.approx(40)


@pytest.mark.embedded
def test_what_does_not_happen_is_said_in_one_sentence(settings: Settings) -> None:
    with (
        Outside(settings) as outside,
        pytest.raises(NotInTime, match="a list for nobody did not happen within 0 s"),
    ):
        outside.wait(lambda heard: heard.latest("nobody"), 0.05, "a list for nobody")


@pytest.mark.embedded
def test_what_cannot_be_read_ends_the_wait_at_once(settings: Settings) -> None:
    with Outside(settings) as outside:
        produced(settings, "recommendations", cast.ADA, b"{}")
        with pytest.raises(ValueError, match="validation error"):
            outside.wait(lambda heard: heard.latest(cast.ADA), 10, "Ada's list")


@pytest.mark.parametrize(
    ("of_profile", "of_list", "is_there"),
    [
        ({}, {}, True),
        ({"event_id": "older"}, {}, False),
        ({}, {"stage": "provisional"}, False),
        ({}, {"covers": []}, False),
    ],
    ids=["both", "profile of an earlier text", "only a provisional list", "list for another reason"],
)
def test_a_refined_list_rests_on_what_was_read_in_the_event(
    of_profile: dict[str, str], of_list: dict[str, object], is_there: bool
) -> None:
    heard, ada = Heard(), cast.ada(NOW)
    profile = profile_of(ada)
    read = profile.model_copy(update={"source": profile.source.model_copy(update=of_profile)})
    heard.profiles[cast.ADA] = Arrived(read, NOW)
    refined = LIST | {"stage": "refined", "reason": "profile"} | of_list
    for event in (LIST, refined):
        arrived = Arrived(Recommendations.model_validate_json(orjson.dumps(event)), NOW)
        heard.lists[cast.ADA].append(arrived)
    found = refining(heard, cast.ADA, "demo-1-ada")
    assert (found is not None) is is_there
    assert found is None or found[1] is heard.lists[cast.ADA][1]


@pytest.mark.parametrize("model", ["endpoint", "off"])
def test_the_demo_leaves_the_choice_of_the_profile_model_to_the_settings(
    monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.delenv("GLOWPLUG_PROFILES__MODEL", raising=False)
    assert demo.own_settings().profiles == load().profiles
    monkeypatch.setenv("GLOWPLUG_PROFILES__MODEL", model)
    assert demo.own_settings().profiles.model == model


def test_a_failed_step_is_told_and_gives_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, is_kept: bool) -> None:
        raise NotInTime(f"a list of demo-ada did not happen within 20 s (kept: {is_kept}) [sic]")

    monkeypatch.setattr(demo, "play", fail)
    assert demo.main([]) == NotInTime.exit_code != 0
    assert capsys.readouterr().out == "demo: a list of demo-ada did not happen within 20 s (kept: False) [sic]\n"


def test_the_demo_never_uses_somebody_elses_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWPLUG_KAFKA__BOOTSTRAP_SERVERS", "production:9092")
    monkeypatch.setenv("GLOWPLUG_REDIS__URL", "redis://production")
    settings = demo.own_settings()
    assert settings.kafka.bootstrap_servers == ""
    assert settings.redis.url == ""
