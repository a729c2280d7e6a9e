"""`glowplug topics` against a real cluster: creates what is missing, keeps what fits, refuses the rest."""

from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from glowplug.embedded.kafka_builtin import BuiltinBroker
from glowplug.errors import BadSettings, BadTopics, Unreachable
from glowplug.settings import KafkaSettings, Settings, TopicNames
from glowplug.stream.admin import ensure_topics, is_builtin, topic_info
from glowplug.stream.clients import murmur2_partition, producer_config
from glowplug.topics import in_use
from tests.support.kafka import create_topic, producing, read_to_end, send


def settings(bootstrap: str, topics: TopicNames, **kafka: Any) -> Settings:
    return Settings(kafka=KafkaSettings(bootstrap_servers=bootstrap, topics=topics, **kafka))


@pytest.mark.kafka
def test_missing_topics_are_created_once_and_then_kept(kafka: str, topics: TopicNames) -> None:
    ours = settings(kafka, topics, partitions=3)

    first = ensure_topics(ours)
    second = ensure_topics(ours)

    assert {action.outcome for action in first.actions} == {"created"}
    assert {action.outcome for action in second.actions} == {"kept"}
    assert [action.logical for action in first.actions] == list(in_use(ours))
    assert set(first.context.partitions.values()) == {3}
    assert first.context == second.context == topic_info(ours)
    assert len(set(first.context.topic_ids.values())) == len(in_use(ours))
    assert not first.is_builtin
    assert {action.cleanup for action in first.actions if action.logical == "user_states"} == {"compact"}


@pytest.mark.kafka
def test_what_is_missing_is_named_when_nothing_may_be_created(kafka: str, topics: TopicNames) -> None:
    with pytest.raises(BadTopics, match=rf"{topics.items}.* missing on {kafka}; run `glowplug topics`"):
        topic_info(settings(kafka, topics))


@pytest.mark.kafka
def test_a_topic_of_the_wrong_cleanup_is_refused_before_anything_is_created(kafka: str, topics: TopicNames) -> None:
    create_topic(kafka, topics.items, 3, {"cleanup.policy": "delete"})
    ours = settings(kafka, topics)

    with pytest.raises(BadTopics, match=f"topic {topics.items} .* has cleanup.policy=delete and needs compact"):
        ensure_topics(ours)
    assert topics.item_vectors not in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics


@pytest.mark.kafka
def test_user_keyed_topics_that_would_not_meet_are_refused(kafka: str, topics: TopicNames) -> None:
    create_topic(kafka, topics.users, 4, {"cleanup.policy": "compact"})
    create_topic(kafka, topics.interactions, 8, {"cleanup.policy": "delete"})

    with pytest.raises(BadTopics, match=f"topic {topics.interactions} .* has 8 partitions and needs the 4"):
        ensure_topics(settings(kafka, topics))


@pytest.mark.kafka
def test_our_topics_take_the_partitions_of_the_products(kafka: str, topics: TopicNames) -> None:
    create_topic(kafka, topics.users, 4, {"cleanup.policy": "compact"})

    partitions = ensure_topics(settings(kafka, topics)).context.partitions

    assert partitions["recommendations"] == partitions["interactions"] == 4
    assert partitions["items"] == 6


@pytest.mark.kafka
def test_a_name_that_kafka_refuses_is_one_sentence(kafka: str, topics: TopicNames) -> None:
    with pytest.raises(BadTopics, match=r"topic no spaces cannot be created: .*kafka\.topics"):
        ensure_topics(settings(kafka, topics.model_copy(update={"items": "no spaces"})))


@pytest.mark.kafka
def test_our_producer_and_murmur2_partition_agree(kafka: str, prefix: str) -> None:
    create_topic(kafka, prefix, 7)
    config = producer_config(settings(kafka, TopicNames()), None)
    with producing(kafka, **config) as producer:
        for number in range(200):
            send(producer, prefix, f"user-{number}-é", b"")

    for record in read_to_end(kafka, prefix):
        assert record.key is not None
        assert record.partition == murmur2_partition(record.key, 7)


@pytest.mark.kafka
def test_a_real_broker_is_not_taken_for_the_builtin_one(kafka: str) -> None:
    assert not is_builtin(settings(kafka, TopicNames()))


@pytest.mark.embedded
def test_the_builtin_brokers_topics_have_counts_and_no_ids(topics: TopicNames) -> None:
    with BuiltinBroker() as broker:
        ours = settings(broker.bootstrap, topics, builtin=True)
        broker.create_topics(topics.model_dump().values(), 5)
        found = ensure_topics(ours)
        assert is_builtin(ours)

    assert found.is_builtin
    assert set(found.context.partitions.values()) == {5}
    assert set(found.context.topic_ids.values()) == {""}
    assert {action.outcome for action in found.actions} == {"kept"}


@pytest.mark.embedded
def test_the_builtin_broker_is_not_asked_to_create(topics: TopicNames) -> None:
    with BuiltinBroker() as broker, pytest.raises(BadTopics, match=r"missing on .*; the built-in broker's topics"):
        ensure_topics(settings(broker.bootstrap, topics, builtin=True))


def test_an_unreachable_broker_is_one_sentence_within_seconds() -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"Kafka does not answer at 127\.0\.0\.1:1 .*refused.*glowplug up"):
        ensure_topics(settings("127.0.0.1:1", TopicNames()))
    assert time.monotonic() - started < 8


def test_an_unknown_property_is_named() -> None:
    with pytest.raises(BadSettings, match=r"kafka\.properties: .*no\.such\.thing"):
        ensure_topics(settings("127.0.0.1:1", TopicNames(), properties={"no.such.thing": "1"}))


def test_no_broker_at_all_is_named() -> None:
    with pytest.raises(BadSettings, match=r"kafka\.bootstrap_servers is empty"):
        ensure_topics(settings("", TopicNames()))
