"""What has to be created, and what is refused, from what the cluster has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glowplug.settings import KafkaSettings, Settings, TopicNames
from glowplug.stream.topic_fit import Existing, creations, misfits
from glowplug.topics import declared, in_use, meeting

SETTINGS = Settings(kafka=KafkaSettings(bootstrap_servers="broker:9092", topics=TopicNames(items="shop.items")))
FITTING = {
    name: Existing(6, topic_id=name, cleanup=topic.cleanup, max_record_bytes=1_048_588)
    for name, topic in declared().items()
}


def test_an_empty_cluster_gets_every_topic_as_declared() -> None:
    wanted = {creation.logical: creation for creation in creations(SETTINGS, {})}

    assert set(wanted) == set(in_use(SETTINGS)) == set(declared()) - {"interactions_rekeyed"}
    assert wanted["items"].name == "shop.items"
    assert wanted["items"].config["cleanup.policy"] == "compact"
    assert wanted["interactions"].config["retention.ms"] == "2592000000"
    assert {creation.partitions for creation in wanted.values()} == {6}


def test_the_setting_overrides_the_declared_partitions() -> None:
    settings = SETTINGS.model_copy(update={"kafka": SETTINGS.kafka.model_copy(update={"partitions": 3})})
    assert {creation.partitions for creation in creations(settings, {})} == {3}


def test_missing_user_keyed_topics_take_the_partitions_of_the_products() -> None:
    existing = {"users": Existing(12), "interactions": Existing(12)}
    partitions = {creation.logical: creation.partitions for creation in creations(SETTINGS, existing)}

    assert {partitions[name] for name in meeting(SETTINGS) if name in partitions} == {12}
    assert partitions["item_vectors"] == 6
    assert "users" not in partitions


def test_what_fits_is_neither_created_nor_refused() -> None:
    assert creations(SETTINGS, FITTING) == ()
    assert misfits(SETTINGS, FITTING) == ()


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_topic_that_would_lose_old_records_is_refused_with_the_fix(policy: str) -> None:
    (sentence,) = misfits(SETTINGS, FITTING | {"items": replace(FITTING["items"], cleanup=policy)})

    assert sentence.startswith(f"topic shop.items (items) has cleanup.policy={policy} and needs compact")
    assert sentence.endswith(
        "kafka-configs.sh --bootstrap-server broker:9092 --alter --entity-type topics "
        "--entity-name shop.items --add-config cleanup.policy=compact"
    )


def test_a_compacted_stream_of_events_is_refused() -> None:
    (sentence,) = misfits(SETTINGS, FITTING | {"interactions": replace(FITTING["interactions"], cleanup="compact")})
    assert "interactions" in sentence
    assert "needs delete" in sentence


def test_user_keyed_topics_of_different_partition_counts_are_refused_with_the_fix() -> None:
    (sentence,) = misfits(SETTINGS, FITTING | {"interactions": replace(FITTING["interactions"], partitions=8)})

    assert sentence.startswith("topic interactions (interactions) has 8 partitions and needs the 6 of users")
    assert (
        "kafka-topics.sh --bootstrap-server broker:9092 --create --topic interactions-6 --partitions 6" in sentence
    )
    assert "kafka.topics.interactions" in sentence


def test_topics_keyed_otherwise_may_have_any_number_of_partitions() -> None:
    assert misfits(SETTINGS, FITTING | {"items": replace(FITTING["items"], partitions=1)}) == ()


def test_a_topic_too_small_for_our_records_is_refused_with_the_fix() -> None:
    small = replace(FITTING["user_states"], max_record_bytes=100_000)
    (sentence,) = misfits(SETTINGS, FITTING | {"user_states": small})
    assert "takes records of 100000 bytes and stream.max_record_bytes is 900000" in sentence
    assert "max.message.bytes=900000" in sentence


def test_what_the_cluster_does_not_tell_is_not_refused() -> None:
    assert misfits(SETTINGS, {name: Existing(6) for name in declared()}) == ()


# ---- interactions by way of the internal topic ------------------------------------------------------------

REKEYING = SETTINGS.model_copy(update={"kafka": SETTINGS.kafka.model_copy(update={"rekey_interactions": True})})


def test_the_internal_topic_is_created_where_it_is_used_with_the_partitions_of_the_others() -> None:
    existing = {"interactions": Existing(5), "users": Existing(12)}
    wanted = {creation.logical: creation for creation in creations(REKEYING, existing)}

    assert set(wanted) == set(declared()) - set(existing)
    assert wanted["interactions_rekeyed"].partitions == wanted["user_states"].partitions == 12
    assert wanted["interactions_rekeyed"].config == {"cleanup.policy": "delete", "retention.ms": "2592000000"}


def test_then_interactions_may_have_any_number_of_partitions_and_the_internal_topic_may_not() -> None:
    other = {name: FITTING | {name: replace(FITTING[name], partitions=8)} for name in FITTING}

    assert misfits(REKEYING, other["interactions"]) == ()
    (sentence,) = misfits(REKEYING, other["interactions_rekeyed"])
    assert "interactions-rekeyed (interactions_rekeyed) has 8 partitions and needs the 6 of users" in sentence
    assert misfits(SETTINGS, other["interactions_rekeyed"]) == ()
    (sentence,) = misfits(SETTINGS, other["interactions"])
    assert sentence.endswith("or set kafka.rekey_interactions = true")
