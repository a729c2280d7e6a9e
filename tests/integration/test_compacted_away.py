"""Consumers that were away until the log cleaner had removed the tombstones: what was deleted stays deleted."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from consumers.recommender import Recommender
from consumers.redis_writer import RedisWriter
from glowplug.audit.reading import take
from glowplug.audit.verify import Report, verify
from glowplug.serving.redis_store import RedisStore
from glowplug.settings import Settings, TopicNames, load
from glowplug.stream.admin import ensure_topics
from tests.support.events import item_vector, user_vector
from tests.support.kafka import create_topic, latest_by_key, produce, read_to_end
from tests.support.recommending import NEAR_X, X, Y
from tests.support.waiting import wait_until
from tests.support.workers import at_work

pytestmark = [pytest.mark.kafka, pytest.mark.redis]
PATIENCE_S = 60.0
# A cleaner in a hurry: segments end at the next record, and a tombstone goes at the second cleaning.
HURRIED = {
    "cleanup.policy": "compact",
    "segment.ms": "50",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "0",
}


class World:
    """Items a, b and c, users u and v, on topics of one partition."""

    def __init__(self, kafka: str, topics: TopicNames, settings: Settings, redis_url: str) -> None:
        self.kafka, self.topics, self.settings = kafka, topics, settings
        self.redis = redis.Redis.from_url(redis_url)

    def item(self, name: str, vector: list[float] | None) -> None:
        value = None if vector is None else item_vector(name, vector)
        produce(self.kafka, self.topics.item_vectors, name, value)

    def user(self, name: str, vector: list[float] | None) -> None:
        value = None if vector is None else user_vector(name, vector)
        produce(self.kafka, self.topics.user_vectors, name, value)

    def table(self, topic: str) -> dict[str, Any]:
        return latest_by_key(read_to_end(self.kafka, getattr(self.topics, topic)))

    def published(self) -> dict[str, set[str]]:
        lists = self.table("recommendations")
        return {name: {one["item_id"] for one in event["items"]} for name, event in lists.items()}

    def held(self) -> set[str]:
        """Keys in Redis with a value: what was deleted leaves its version there for a day."""
        keys = self.redis.scan_iter(match=f"{self.settings.redis.key_prefix}*:*")
        prefix = len(self.settings.redis.key_prefix)
        return {key.decode()[prefix:] for key in keys if self.redis.hexists(key, "doc")}

    def wait_until_forgotten(self, topic: str, key: str) -> None:
        """Until the cleaner has left neither a value nor the tombstone of `key`."""
        name = getattr(self.topics, topic)

        def is_forgotten() -> bool:
            self.item("b", NEAR_X)  # a record that says nothing new ends the segment before it
            self.user("v", Y)
            return key.encode() not in {read.key for read in read_to_end(self.kafka, name)}

        wait_until(is_forgotten, PATIENCE_S, f"the cleaner does not remove {key} from {name}")

    def wipe_redis(self) -> None:
        """All keys of ours, in a server that may hold others."""
        for key in self.redis.scan_iter(match=f"{self.settings.redis.key_prefix}*"):
            self.redis.unlink(key)

    def report(self) -> Report:
        return verify(take(self.settings), self.settings.ranking)


@pytest.fixture
def world(kafka: str, topics: TopicNames, prefix: str, redis_url: str) -> World:
    settings = load(
        kafka={
            "bootstrap_servers": kafka,
            "application": prefix,
            "topics": topics.model_dump(),
            "partitions": 1,
        },
        redis={"url": redis_url, "key_prefix": f"{prefix}:"},
        ranking={"list_size": 3, "raw_size": 4, "window_s": 0.0},
    )
    for name in ("item_vectors", "user_vectors"):
        create_topic(kafka, getattr(topics, name), 1, HURRIED)
    ensure_topics(settings)
    made = World(kafka, topics, settings, redis_url)
    for name, vector in {"a": X, "b": NEAR_X, "c": Y}.items():
        made.item(name, vector)
    made.user("u", X)
    made.user("v", Y)
    return made


def test_what_was_deleted_while_all_were_away_is_withdrawn_and_what_redis_keeps_is_named_and_mended(
    world: World,
) -> None:
    def working() -> Any:
        store = RedisStore(world.settings.redis)
        return at_work(world.settings, [Recommender(world.settings), RedisWriter(store)], store)

    everything = {"item:a", "item:b", "item:c", "user:u", "user:v", "recs:u", "recs:v"}
    with working():
        wait_until(
            lambda: world.held() == everything and world.published() == {"u": {*"abc"}, "v": {*"abc"}},
            PATIENCE_S,
            lambda: f"{world.held()}, {world.published()}",
        )
    world.item("a", None)
    world.user("u", None)
    world.wait_until_forgotten("item_vectors", "a")
    world.wait_until_forgotten("user_vectors", "u")

    with working():
        wait_until(
            lambda: world.published() == {"v": {*"bc"}} and not {"user:u", "recs:u"} & world.held(),
            PATIENCE_S,
            lambda: f"{world.held()}, {world.published()}",
        )
        assert world.table("user_states")["u"]["status"] == "deleted"
        # Nobody is left who could tell redis_writer of the item; verify can.
        assert world.held() == {"item:a", "item:b", "item:c", "user:v", "recs:v"}
        wait_until(lambda: not world.report().moving, PATIENCE_S, lambda: str(world.report()))
        assert [found.key for found in world.report().differences] == ["item:a"]
        world.wipe_redis()
        world.item("c", Y)  # a writer at work notices with its next value, a restarted one at once
        wait_until(
            lambda: world.held() == {"item:b", "item:c", "user:v", "recs:v"} and not world.report().moving,
            PATIENCE_S,
            lambda: f"{world.held()}, {world.report()}",
        )
        assert world.report().is_good(strict=True)
