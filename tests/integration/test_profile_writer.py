"""The profile writer and the recommender on a real broker while the model is slow, down, or outrun by deletes."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from consumers.item_embedder import ItemEmbedder
from consumers.profile_writer import ProfileWriter
from consumers.recommender import Recommender
from consumers.user_embedder import UserEmbedder
from glowplug.errors import ModelRejected, ModelUnavailable
from glowplug.inference import circuit
from glowplug.inference.fake import FakeEncoder
from glowplug.profiles.model import Inferred, Subject
from glowplug.settings import Settings, TopicNames, load
from glowplug.stream.admin import ensure_topics
from glowplug.stream.step import Step
from tests.support.events import at
from tests.support.kafka import latest_by_key, producing, read_to_end, send
from tests.support.profiling import Words
from tests.support.waiting import wait_until
from tests.support.workers import at_work

pytestmark = pytest.mark.kafka

DEADLINE_S = 60.0
PARTITIONS = 2
ITEMS = {"song": "jazz", "film": "horror", "game": "chess"}


class Gated(Words):
    """Reads one text for each `release`, or all once it is `free`."""

    def __init__(self) -> None:
        super().__init__()
        self._permits = threading.Semaphore(0)
        self.is_free = threading.Event()

    def release(self, texts: int) -> None:
        self._permits.release(texts)

    def free(self) -> None:
        self.is_free.set()
        self._permits.release()

    def infer(self, subjects: Sequence[Subject]) -> list[Inferred | ModelRejected]:
        for _ in subjects:
            while not self.is_free.is_set() and not self._permits.acquire(timeout=0.05):
                pass
        return super().infer(subjects)


class World:
    """Topics of this test alone, and what is sent to them."""

    def __init__(self, kafka: str, topics: TopicNames, prefix: str) -> None:
        self.kafka, self.topics = kafka, topics
        self.settings: Settings = load(
            kafka={
                "bootstrap_servers": kafka,
                "application": prefix,
                "partitions": PARTITIONS,
                "topics": topics.model_dump(),
            },
            profile_writer={"patience_s": 0.05, "waiting": 4, "at_once": 1},
        )
        ensure_topics(self.settings)

    def users(self, texts: Iterable[tuple[str, str]]) -> None:
        with producing(self.kafka) as producer:
            for name, text in texts:
                event = {"type": "user.created", "event_id": f"{name} {text}", "event_time": at(), "user_id": name}
                send(producer, self.topics.users, name, event | {"text": text})

    def gone(self, name: str) -> None:
        with producing(self.kafka) as producer:
            send(producer, self.topics.users, name, None)

    def items(self) -> None:
        with producing(self.kafka) as producer:
            for name, title in ITEMS.items():
                event = {"type": "item.created", "event_id": name, "event_time": at(), "item_id": name}
                send(producer, self.topics.items, name, event | {"title": title})

    def log(self, topic: str) -> list[tuple[str, Any]]:
        """Key and value of all that is committed, tombstones as None."""
        return [
            ((record.key or b"").decode(), None if record.value is None else json.loads(record.value))
            for record in read_to_end(self.kafka, getattr(self.topics, topic))
        ]

    def latest(self, topic: str) -> dict[str, Any]:
        return latest_by_key(read_to_end(self.kafka, getattr(self.topics, topic)))

    def states(self) -> dict[str, str]:
        return {user: value["state"] for user, value in self.latest("user_profiles").items()}

    @contextmanager
    def writer(self, model: Words) -> Iterator[ProfileWriter]:
        step = ProfileWriter(self.settings, FakeEncoder(), model)
        with at_work(self.settings, [step]):
            yield step

    def wait(self, reached: Callable[[], bool], what: str) -> None:
        wait_until(reached, DEADLINE_S, lambda: f"{what}: {self.states()}")


@pytest.fixture
def world(kafka: str, topics: TopicNames, prefix: str) -> World:
    return World(kafka, topics, prefix)


def test_saturated_it_delays_no_provisional_list_and_makes_up_for_all_of_them_newest_first(world: World) -> None:
    model, encoder = Gated(), FakeEncoder()
    writer = ProfileWriter(world.settings, encoder, model)
    others: list[Step[Any]] = [
        ItemEmbedder(world.settings, encoder),
        UserEmbedder(world.settings, encoder),
        Recommender(world.settings),
    ]
    names = [f"u{n:03}" for n in range(200)]
    world.items()
    with at_work(world.settings, [*others, writer]):
        world.wait(lambda: len(world.latest("item_vectors")) == len(ITEMS), "the items")
        world.users((name, f"jazz {name}") for name in names)
        world.wait(lambda: set(world.latest("recommendations")) == set(names), "a list for everybody")
        world.wait(lambda: world.states() == dict.fromkeys(names, "pending"), "everybody pending")
        assert {value["stage"] for _, value in world.log("recommendations")} == {"provisional"}
        assert len(writer.desk) == len(names)
        model.free()
        world.wait(lambda: world.states() == dict.fromkeys(names, "ready"), "everybody ready")
        world.wait(
            lambda: {value["stage"] for value in world.latest("recommendations").values()} == {"refined"},
            "a refined list for everybody",
        )
    lists = Counter((user, value["stage"]) for user, value in world.log("recommendations"))
    assert lists == Counter((user, stage) for user in names for stage in ("provisional", "refined"))
    # The order of arrival is that of the log within a partition, and the newest waiting goes first.
    order = [int(text.removeprefix("jazz u")) for text in model.asked]
    partition = {user: n for n in range(PARTITIONS) for user in by_partition(world, n)}
    for number in range(PARTITIONS):
        read = [user for user in order[1:] if partition[f"u{user:03}"] == number]
        assert read == sorted(read, reverse=True)


def by_partition(world: World, number: int) -> list[str]:
    records = read_to_end(world.kafka, world.topics.users)
    return [(record.key or b"").decode() for record in records if record.partition == number]


def test_while_the_model_is_away_offsets_move_and_afterwards_everybody_is_ready(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(circuit, "LAST_PAUSE_S", 0.2)
    model = Words()
    model.raises = ModelUnavailable("away")
    names = [f"u{n}" for n in range(20)]
    with world.writer(model) as writer:
        world.users((name, "jazz") for name in names)
        world.wait(lambda: world.states() == dict.fromkeys(names, "pending"), "everybody pending")
        assert writer.condition().state == "degraded"
        model.raises = None
        world.wait(lambda: world.states() == dict.fromkeys(names, "ready"), "everybody ready")
        assert writer.condition().state == "ok"
    assert Counter(model.asked) == Counter({"jazz": len(names)})


def test_a_restart_while_users_are_pending_loses_nobody_and_reads_the_newest_first(world: World) -> None:
    slow = Gated()
    names = ["a", "b", "c", "d", "e"]
    with world.writer(slow):
        for name in names:
            world.users([(name, f"jazz {name}")])
            world.wait(lambda: name in world.states(), f"{name} in the log")  # noqa: B023  called at once
        slow.release(1)
        world.wait(lambda: Counter(world.states().values()) == {"ready": 1, "pending": 4}, "one ready")
        slow_read = list(slow.asked)
    slow.free()
    quick = Words()
    with world.writer(quick):
        world.wait(lambda: world.states() == dict.fromkeys(names, "ready"), "everybody ready")
    left = [f"jazz {name}" for name in reversed(names) if f"jazz {name}" not in slow_read]
    assert quick.asked == left


def test_a_user_who_is_deleted_while_pending_stays_deleted_also_over_a_restart(world: World) -> None:
    slow = Gated()
    with world.writer(slow):
        world.users([("ada", "jazz"), ("eve", "chess")])
        world.wait(lambda: world.states() == {"ada": "pending", "eve": "pending"}, "both pending")
        world.gone("ada")
        world.wait(lambda: ("ada", None) in world.log("user_profiles"), "the tombstone")
        slow.free()
        world.wait(lambda: world.states() == {"eve": "ready"}, "the other one ready")
    quick = Words()
    with world.writer(quick):
        world.users([("bo", "hiking")])
        world.wait(lambda: world.states() == {"eve": "ready", "bo": "ready"}, "a third one ready")
    assert quick.asked == ["hiking"]
    assert [value for user, value in world.log("user_profiles") if user == "ada"][-1] is None


def test_a_newer_text_wins_over_the_profile_of_an_older_one_that_comes_late(world: World) -> None:
    slow = Gated()
    with world.writer(slow):
        world.users([("ada", "jazz")])
        world.wait(lambda: world.states() == {"ada": "pending"}, "pending")
        world.users([("ada", "chess")])
        world.wait(lambda: len(world.log("user_profiles")) == 2, "pending again")
        slow.free()
        world.wait(lambda: world.states() == {"ada": "ready"}, "ready")
    ready = [value for _, value in world.log("user_profiles") if value["state"] == "ready"]
    assert [[claim["label"] for claim in value["interests"]] for value in ready] == [["chess"]]
