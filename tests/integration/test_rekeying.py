"""Interactions of a producer with another partitioner reach the right users by way of the internal topic."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from consumers.interaction_rekeyer import InteractionRekeyer
from consumers.recommender import Recommender
from glowplug.settings import Settings, TopicNames, load
from glowplug.stream.admin import ensure_topics
from glowplug.stream.clients import murmur2_partition
from tests.support.events import interaction, item_vector, user_vector
from tests.support.kafka import create_topic, latest_by_key, producing, read_to_end, send
from tests.support.recommending import NEAR_X, X, Y, Z
from tests.support.waiting import wait_until
from tests.support.workers import at_work

pytestmark = pytest.mark.kafka
PATIENCE_S = 60.0
PARTITIONS, OF_THE_PRODUCT = 4, 3
ITEMS = {"a": X, "b": NEAR_X, "c": Y, "d": Z}
USERS = [f"user-{n}" for n in range(40)]


def settings_of(kafka: str, topics: TopicNames, prefix: str, *, rekeys: bool, **ranking: Any) -> Settings:
    return load(
        kafka={
            "bootstrap_servers": kafka,
            "application": prefix,
            "topics": topics.model_dump(),
            "partitions": PARTITIONS,
            "rekey_interactions": rekeys,
        },
        ranking={"list_size": 3, "raw_size": 4, **ranking},
    )


def people(kafka: str, topics: TopicNames) -> None:
    with producing(kafka) as producer:
        for name, vector in ITEMS.items():
            send(producer, topics.item_vectors, name, item_vector(name, vector))
        for name in USERS:
            send(producer, topics.user_vectors, name, user_vector(name, X))


def states_of(kafka: str, topics: TopicNames) -> dict[str, Any]:
    states = latest_by_key(read_to_end(kafka, topics.user_states))
    return {name: state for name, state in states.items() if name in USERS}


def test_default_librdkafka_interactions_lead_to_the_right_lists_of_two_recommenders(
    kafka: str, topics: TopicNames, prefix: str
) -> None:
    settings = settings_of(kafka, topics, prefix, rekeys=True)
    create_topic(kafka, topics.interactions, OF_THE_PRODUCT)
    ensure_topics(settings)
    people(kafka, topics)
    likes = {user: sorted(ITEMS)[n % len(ITEMS)] for n, user in enumerate(USERS)}
    with at_work(settings, [InteractionRekeyer(settings), Recommender(settings), Recommender(settings)]):
        with producing(kafka, partitioner="consistent_random") as producer:
            for user, item in likes.items():
                send(producer, topics.interactions, user, interaction(user, item, "view"))
                send(producer, topics.interactions, user, interaction(user, item, "like"))
            send(producer, topics.interactions, "user-1", b"{broken")
        wait_until(
            lambda: (
                sum(len(state["history"]) for state in states_of(kafka, topics).values()) == 2 * len(USERS)
                and read_to_end(kafka, topics.dead_letters)
            ),
            PATIENCE_S,
            "not every interaction arrives",
        )

    sent = read_to_end(kafka, topics.interactions)
    assert any(murmur2_partition(read.key or b"", OF_THE_PRODUCT) != read.partition for read in sent)
    for user, state in states_of(kafka, topics).items():
        deeds = [(entry["item_id"], entry["action"]) for entry in state["history"]]
        assert deeds == [(likes[user], "view"), (likes[user], "like")], user
        assert likes[user] not in state["published"]
    _each_passed_on_once(sent, read_to_end(kafka, topics.interactions_rekeyed))
    (letter,) = read_to_end(kafka, topics.dead_letters)
    (broken,) = (read for read in sent if read.value == b"{broken")
    headers = dict(letter.headers)
    assert letter.value == broken.value
    assert headers["glowplug-topic"] == topics.interactions.encode()
    place = [int(headers[f"glowplug-{name}"]) for name in ("partition", "offset")]
    assert place == [broken.partition, broken.offset]


def _each_passed_on_once(sent: list[Any], passed_on: list[Any]) -> None:
    """With its bytes, where murmur2 puts it, and in the order of its source partition for each key."""
    places: defaultdict[tuple[bytes, int], list[int]] = defaultdict(list)
    for read in passed_on:
        assert read.partition == murmur2_partition(read.key, PARTITIONS)
        origin = dict(read.headers)
        source = int(origin["glowplug-origin-partition"])
        places[read.key, source].append(int(origin["glowplug-origin-offset"]))
    assert all(offsets == sorted(offsets) for offsets in places.values())
    values = Counter(read.value for read in sent if read.value != b"{broken")
    assert Counter(read.value for read in passed_on) == values


def test_switched_on_and_off_again_no_interaction_counts_twice_and_none_is_left_out(
    kafka: str, topics: TopicNames, prefix: str
) -> None:
    # One interaction is remembered: what is read again is not recognised, and would count again.
    direct = settings_of(kafka, topics, prefix, rekeys=False, history=1)
    rekeyed = settings_of(kafka, topics, prefix, rekeys=True, history=1)
    ensure_topics(direct)
    people(kafka, topics)
    sent = 0

    def act_and_wait() -> None:
        nonlocal sent
        with producing(kafka) as producer:
            for item in ("a", "b"):
                sent += 1
                for user in USERS:
                    send(producer, topics.interactions, user, interaction(user, item, seconds=sent))
        wait_until(
            lambda: all(state["evidence"] >= sent for state in states_of(kafka, topics).values()),
            PATIENCE_S,
            lambda: f"not {sent} interactions each: {states_of(kafka, topics)}",
        )

    with at_work(direct, [Recommender(direct)]):
        act_and_wait()
    assert (
        topics.interactions_rekeyed not in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    )
    ensure_topics(rekeyed)
    with at_work(rekeyed, [InteractionRekeyer(rekeyed), Recommender(rekeyed)]):
        act_and_wait()
    with at_work(direct, [Recommender(direct)]):
        act_and_wait()
    assert {state["evidence"] for state in states_of(kafka, topics).values()} == {6.0}
