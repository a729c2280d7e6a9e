"""Client configurations: librdkafka itself accepts them, and keys go where the Java client puts them."""

from __future__ import annotations

import logging
from typing import Literal

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from glowplug.settings import KafkaSettings, Settings
from glowplug.stream.clients import (
    admin_config,
    consumer_config,
    group_id,
    murmur2_partition,
    producer_config,
    reader_config,
    transactional_id,
)

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
JAVA_HASHES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


def settings(**kafka: object) -> Settings:
    return Settings(kafka=KafkaSettings.model_validate({"bootstrap_servers": "127.0.0.1:1", **kafka}))


@pytest.mark.parametrize(("key", "hashed"), JAVA_HASHES.items())
@pytest.mark.parametrize("partitions", [1, 6, 16, 1_000_003])
def test_a_key_lies_where_javas_default_partitioner_puts_it(key: bytes, hashed: int, partitions: int) -> None:
    assert murmur2_partition(key, partitions) == (hashed & 0x7FFFFFFF) % partitions


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_librdkafka_takes_every_configuration(
    protocol: Literal["consumer", "classic"], caplog: pytest.LogCaptureFixture
) -> None:
    ours = settings(group_protocol=protocol)
    consumer = Consumer(consumer_config(ours, group_id(ours, "x")) | {"log_level": 4})
    reader = Consumer(reader_config(ours, "x") | {"log_level": 4})
    for config in (producer_config(ours, None), producer_config(ours, transactional_id(ours, "x"))):
        Producer(config | {"log_level": 4}).poll(0)
    AdminClient(admin_config(ours) | {"log_level": 4}).poll(0)
    for client in (consumer, reader):
        client.poll(0)
        client.close()

    assert [record.getMessage() for record in caplog.records if "CONF" in record.getMessage()] == []


def test_both_protocols_share_partitions_out_by_range() -> None:
    kip_848, classic = settings(), settings(group_protocol="classic")
    assert consumer_config(kip_848, "g")["group.remote.assignor"] == "range"
    assert consumer_config(classic, "g")["partition.assignment.strategy"] == "range"


def test_kip_848_members_carry_no_classic_property() -> None:
    refused = {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"}
    assert refused.isdisjoint(consumer_config(settings(), "g"))


def test_properties_of_the_settings_come_last() -> None:
    ours = settings(properties={"isolation.level": "read_uncommitted", "client.id": "mine"})
    assert consumer_config(ours, "g")["isolation.level"] == "read_uncommitted"
    for config in (
        consumer_config(ours, "g"),
        reader_config(ours, "x"),
        producer_config(ours, "t"),
        admin_config(ours),
    ):
        assert config["client.id"] == "mine"


def test_an_instance_with_a_declared_id_keeps_its_transactional_id() -> None:
    declared = settings(instance="slot-3")
    assert transactional_id(declared, "recommender") == "glowplug-recommender-slot-3"
    assert transactional_id(settings(), "recommender") != transactional_id(settings(), "recommender")


def test_only_on_the_builtin_broker_fetches_ask_again_at_once() -> None:
    assert consumer_config(settings(builtin=True), "g")["fetch.wait.max.ms"] == 2
    assert "fetch.wait.max.ms" not in consumer_config(settings(), "g")


def test_librdkafka_logs_to_python(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.DEBUG, "glowplug.kafka"):
        consumer = Consumer(consumer_config(settings(), "g"))
        deadline = 50
        while not caplog.records and deadline:
            consumer.poll(0.1)
            deadline -= 1
        consumer.close()

    assert any("Connection refused" in record.getMessage() for record in caplog.records)
    assert capfd.readouterr().err == ""
