"""How every Kafka client of ours is configured: from the settings to confluent-kafka's dictionaries.

`kafka.properties` of the settings come last, over everything here.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from confluent_kafka import KafkaException, murmur2

from glowplug.errors import BadSettings
from glowplug.settings import Settings
from glowplug.stream.client_log import Sparing

Config = dict[str, Any]
C = TypeVar("C")
Isolation = Literal["read_committed", "read_uncommitted"]

RETRY_BACKOFF_MS = 5  # librdkafka waits 100 ms by default on CONCURRENT_TRANSACTIONS: 90 ms of every commit
RECONNECT_BACKOFF_MAX_MS = 1_000  # 10 s by default: so long a restarted broker would stand idle
QUEUED_KBYTES = 16_384  # read ahead per client; the default of 64 MB times a dozen clients is a laptop's memory
BUILTIN_FETCH_WAIT_MS = 2  # the built-in broker's fetches do not wake on new data: they sleep this long
HEARTBEATS_PER_SESSION = 3  # Kafka's own advice for classic groups

log = logging.getLogger("glowplug.kafka")


def group_id(settings: Settings, name: str) -> str:
    """The consumer group of the step `name`."""
    return f"{settings.kafka.application}-{name}"


def transactional_id(settings: Settings, name: str) -> str:
    """Stable where the instance has a declared id, so that a restart ends what its predecessor left open."""
    return f"{settings.kafka.application}-{name}-{settings.kafka.instance or secrets.token_hex(8)}"


def consumer_config(
    settings: Settings, group: str, *, isolation: Isolation = "read_committed", client_id: str = ""
) -> Config:
    """For a member of `group` (see `group_id`), which shares out partitions by number: `range` for all topics."""
    kafka = settings.kafka
    config = _reading(settings, group, isolation, client_id or group)
    if kafka.group_protocol == "consumer":
        # KIP-848's own default, uniform, lets one user's records of two topics meet in no instance.
        config |= {"group.protocol": "consumer", "group.remote.assignor": "range"}
    else:
        config |= {
            "group.protocol": "classic",
            "partition.assignment.strategy": "range",
            "session.timeout.ms": kafka.session_timeout_ms,
            "heartbeat.interval.ms": kafka.session_timeout_ms // HEARTBEATS_PER_SESSION,
        }
    return config | kafka.properties


def reader_config(settings: Settings, name: str, *, isolation: Isolation = "read_committed") -> Config:
    """For a client that assigns itself partitions and never joins a group (tables, restores, tools)."""
    reader = f"{settings.kafka.application}-{name}-reader"  # librdkafka wants a group id all the same
    return _reading(settings, reader, isolation, reader) | settings.kafka.properties


def producer_config(settings: Settings, transactional_id: str | None, *, client_id: str = "") -> Config:
    """Idempotent, and transactional where an id is given; keys go where the Java client puts them."""
    config = _common(settings, client_id or transactional_id or f"{settings.kafka.application}-producer") | {
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "retry.backoff.ms": RETRY_BACKOFF_MS,
    }
    if transactional_id is not None:
        config |= {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": settings.kafka.transaction_timeout_ms,
            # By default (KIP-899) a client whose last broker is away forgets all brokers. A transaction's offsets
            # then wait for a coordinator that is gone for good, and the call never returns (librdkafka#5511). Ours
            # starts from bootstrap.servers all the same: a call that fails replaces the producer.
            "metadata.recovery.strategy": "none",
        }
    return config | settings.kafka.properties


def admin_config(settings: Settings) -> Config:
    return _common(settings, f"{settings.kafka.application}-admin") | settings.kafka.properties


def new_client(kind: Callable[[Config], C], config: Config) -> C:
    """A Consumer, Producer or AdminClient. Raises BadSettings."""
    try:
        return kind(config)
    except KafkaException as error:
        raise BadSettings(f"kafka.properties: {error.args[0].str()}") from error


def murmur2_partition(key: bytes, partitions: int) -> int:
    """The partition, 0 to partitions - 1, that Kafka's Java client gives a record with `key`.

    BuiltInPartitioner.partitionForKey: toPositive(murmur2(key)) % partitions.
    """
    return murmur2(key, partitions)


def _reading(settings: Settings, group: str, isolation: Isolation, client_id: str) -> Config:
    config = _common(settings, client_id) | {
        "group.id": group,
        "isolation.level": isolation,
        "enable.auto.commit": False,  # offsets travel in the transactions
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": False,
        "enable.partition.eof": True,
        "queued.max.messages.kbytes": QUEUED_KBYTES,
    }
    if settings.kafka.builtin:
        config["fetch.wait.max.ms"] = BUILTIN_FETCH_WAIT_MS
    return config


def _common(settings: Settings, client_id: str) -> Config:
    return {
        "bootstrap.servers": settings.kafka.bootstrap_servers,
        "client.id": client_id,
        "reconnect.backoff.max.ms": RECONNECT_BACKOFF_MAX_MS,
        "logger": Sparing(log),  # else librdkafka writes to stderr
    }
