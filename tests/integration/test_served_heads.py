"""A head in the running topology, on a real broker: served as evaluated, picked up, undone, and verified."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glowplug.audit.reading import take
from glowplug.audit.verify import verify
from glowplug.embedded.stack import Stack
from glowplug.events import Recommendations
from glowplug.heads.folder import read_pointer, step, write_pointer
from glowplug.serving.view import RedisView
from glowplug.settings import (
    KafkaSettings,
    ObserveSettings,
    ProfileSettings,
    RedisSettings,
    Settings,
    TopicNames,
)
from producers.publish import publish
from tests.support.heads import NOON, Shelf, fake_encoder, interactions, promote
from tests.support.waiting import wait_until

K = 10
IDLE_S, SOON_S = 120, 120


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


def tree(shelf: Shelf, heads: Path, kafka: str, redis_url: str, topics: TopicNames, prefix: str) -> Settings:
    ranking = fake_encoder(shelf.folder, heads=heads, list_size=K, raw_size=2 * K, window_s=0).ranking
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=kafka, application=prefix, topics=topics, partitions=2),
        redis=RedisSettings(url=redis_url, key_prefix=f"{prefix}:"),
        encoder=fake_encoder(shelf.folder).encoder,
        observe=ObserveSettings(port=0),
        profiles=ProfileSettings(model="off"),
        ranking=ranking,
    )


def sent(stack: Stack, events: Iterable[dict[str, Any]]) -> None:
    publish((json.dumps(event).encode() for event in events), stack.settings)


def wait_for(
    stack: Stack, users: Iterable[str], reached: Callable[[Recommendations], bool]
) -> dict[str, list[str]]:
    """Their lists, once all of them are as they should be."""
    redis = stack.settings.redis
    with RedisView(redis.url, key_prefix=redis.key_prefix) as view:

        def found() -> dict[str, list[str]]:
            lists = {user: view.recommendations(user) for user in users}
            if any(one is None or not reached(one) for one in lists.values()):
                return {}
            return {user: [item.item_id for item in one.items] for user, one in lists.items() if one is not None}

        return wait_until(found, SOON_S, "the lists are not there")


@pytest.mark.kafka
@pytest.mark.redis
def test_lists_are_those_of_the_evaluation_and_follow_what_is_promoted(
    shelf: Shelf, tmp_path: Path, kafka: str, redis_url: str, topics: TopicNames, prefix: str
) -> None:
    judged = shelf.judged("cold-user", K)
    task = judged.tasks[2]  # three likes known
    expected, blocked = judged.lists(task), judged.blocked(task)
    place, fingerprint = shelf.head("judged", judged.trained, *judged.choices)
    heads = tmp_path / "heads"
    promote(heads, place, fingerprint)
    known = np.zeros(len(shelf.data.user), bool)
    for row, user in enumerate(task.users):
        known |= (shelf.data.user == user) & np.isin(shelf.data.item, task.known[[row]].indices)
    shown = {shelf.data.items.ids[at] for at in task.items}
    deeds = interactions(shelf, known)
    last = {deed["user_id"]: deed["event_id"] for deed in deeds}

    with Stack(tree(shelf, heads, kafka, redis_url, topics, prefix)) as stack:
        sent(stack, ({**event, "available": key in shown} for key, event in shelf.items.items()))
        stack.wait_idle(IDLE_S)
        sent(stack, ({**shelf.users[user], "blocked_items": blocked[user]} for user in expected))
        sent(stack, deeds)
        served = wait_for(stack, expected, lambda one: last[one.user_id] in one.covers)
        assert {user: ids[: len(expected[user])] for user, ids in served.items()} == expected

        # Another one, while all goes on; only lists that differ go out, and all of them say what they rest on.
        # It knows a third of what the first one knew, so that everybody's list differs.
        third = np.arange(len(shelf.data.user)) % 3 == 0
        other, second = shelf.plain_head("another", third, gamma=0.0, profile=0.0)
        promote(heads, other, second)
        changed = wait_for(stack, expected, lambda one: one.head == second)
        assert changed != served
        pointer = read_pointer(heads)
        write_pointer(heads, pointer.then(step("back", pointer.beneath, NOON)))
        assert wait_for(stack, expected, lambda one: one.head == fingerprint) == served
        stack.wait_idle(IDLE_S)
        report = verify(take(stack.settings), stack.settings.ranking)
        assert [(found.key, found.what) for found in (*report.differences, *report.moving)] == []
        assert report.vectors == len(expected)

    # While nobody runs, another head; the restart makes every list anew.
    promote(heads, other, second)
    with Stack(tree(shelf, heads, kafka, redis_url, topics, prefix)) as stack:
        assert wait_for(stack, expected, lambda one: one.head == second) == changed
