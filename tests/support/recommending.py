"""The recommender driven without a broker: items, users and deeds in a line each, and what came of them."""

from __future__ import annotations

import json
from typing import Any

from consumers.recommender import Recommender
from glowplug.settings import load
from glowplug.stream.step import Record
from tests.support.drive import Driver
from tests.support.events import interaction, item_vector, user_vector

X, Y, Z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
NEAR_X, NEAR_Y = [0.875, 0.25, 0.0], [0.25, 0.875, 0.0]


def recommender(partition: int = 1, **ranking: Any) -> Driver:
    """Partition 1 by default: no epochs, so lists move for no reason but those of the test."""
    settings = load(ranking={"list_size": 3, "raw_size": 4, "window_s": 5.0, **ranking})
    driver = Driver(Recommender(settings), {partition})
    driver.settle()
    return driver


def put_items(driver: Driver, **items: Any) -> None:
    for name, vector in items.items():
        driver.step.absorb([driver.record("item_vectors", name, item_vector(name, vector))])
    driver.settle()


def item(driver: Driver, name: str, vector: list[float] | None, **more: Any) -> None:
    driver.step.absorb([driver.record("item_vectors", name, item_vector(name, vector, **more))])


def user(driver: Driver, name: str, vector: list[float] | None, **more: Any) -> None:
    driver.feed(driver.record("user_vectors", name, user_vector(name, vector, **more), 1))


def act(driver: Driver, name: str, item_id: str, action: str = "like", **more: Any) -> None:
    driver.feed(driver.record("interactions", name, interaction(name, item_id, action, **more), 1))


def ids(driver: Driver, name: str) -> list[str]:
    return [one["item_id"] for one in driver.latest("recommendations")[name]["items"]]


def sent(driver: Driver) -> list[tuple[str, str]]:
    """User and reason of every list sent so far."""
    return [(key, value and value["reason"]) for key, value in driver.values("recommendations")]


def restarted(
    before: Driver,
    items: dict[str, Any],
    users: dict[str, list[float]],
    then: dict[str, Any] | None = None,
    **ranking: Any,
) -> Driver:
    """A new process on the log of the old one. items: by id, vectors or whole records; users: vectors. then:
    records of item-vectors behind those."""
    settings = load(ranking={"list_size": 3, "raw_size": 4, "window_s": 5.0, **ranking})
    after = Driver(Recommender(settings), after=before)
    after.monotonic = before.monotonic
    records = {key: value if isinstance(value, dict) else item_vector(key, value) for key, value in items.items()}
    after.step.absorb(log_of("item_vectors", 0, records))
    after.step.absorb(log_of("item_vectors", 0, then or {}, len(records)))
    states = [(out.key, json.loads(out.value or b"null")) for out in before.produced["user_states"]]
    after.step.restore(log_of("user_states", 1, dict(states)))
    after.step.restore(log_of("user_vectors", 1, {key: user_vector(key, value) for key, value in users.items()}))
    after.step.assigned(frozenset({1}))
    return after


def log_of(topic: str, partition: int, values: dict[str, Any], first: int = 0) -> list[Record]:
    return [
        Record(topic, partition, offset, 0, key.encode(), json.dumps(value).encode())
        for offset, (key, value) in enumerate(values.items(), first)
    ]
