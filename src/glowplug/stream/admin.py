"""The cluster's topics: asked for, created where missing, refused where they do not fit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource  # the stubs do not export it from the package
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from glowplug.embedded.kafka_builtin import CLUSTER_ID
from glowplug.errors import BadSettings, BadTopics, Unreachable, shown
from glowplug.settings import Settings
from glowplug.stream.clients import admin_config, log
from glowplug.stream.step import Context
from glowplug.stream.topic_fit import Creation, Existing, TopicAction, creations, misfits
from glowplug.topics import in_use

REACH_S = 5.0  # a broker that does not answer so long is not there: the user waits for this sentence
ANSWER_S = 30.0  # creating a dozen topics on a busy cluster
PROPAGATE_S = 10.0  # until every broker has heard of a new topic
PAUSE_S = 0.05
FORBIDDEN = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Topics:
    """Ids and partition counts by logical name, and what was done for them, in the order of topics.toml."""

    context: Context
    actions: tuple[TopicAction, ...]
    is_builtin: bool


def ensure_topics(settings: Settings, *, create: bool = True) -> Topics:
    """All topics of the contract, fit for use.

    create: False only looks. Raises Unreachable, BadSettings (a property that librdkafka does not take), and
    BadTopics: one sentence (a line) for each topic that does not fit, one for those that are missing.
    """
    client = _connect(settings)
    try:
        return _ensure(client, settings, create)
    except KafkaException as error:
        raise Unreachable(
            f"Kafka at {shown(settings.kafka.bootstrap_servers)} stopped answering: {_text(error)}; try again"
        ) from error


def topic_info(settings: Settings) -> Context:
    """Topic ids ("" on the built-in broker, which has none) and partition counts; raises as `ensure_topics`."""
    return ensure_topics(settings, create=False).context


def is_builtin(settings: Settings) -> bool:
    """Whether the broker at kafka.bootstrap_servers is librdkafka's built-in one. Raises Unreachable."""
    return _is_builtin(_connect(settings))


def _ensure(client: AdminClient, settings: Settings, create: bool) -> Topics:
    is_builtin = _is_builtin(client)
    existing = _existing(client, settings, is_builtin)
    missing = creations(settings, existing)
    if problems := misfits(settings, existing):  # before anything is created beside them
        raise BadTopics("\n".join(problems))
    if missing and (is_builtin or not create):
        raise BadTopics(
            f"{'topic' if len(missing) == 1 else 'topics'} {', '.join(creation.name for creation in missing)} "
            f"missing on {settings.kafka.bootstrap_servers}; "
            + ("the built-in broker's topics are made by `glowplug up`" if is_builtin else "run `glowplug topics`")
        )
    if missing:
        _create(client, settings, missing)
        existing = _existing_all(client, settings)
        if problems := misfits(settings, existing):  # another process created them, with other settings
            raise BadTopics("\n".join(problems))
    return Topics(
        context=Context(
            topic_ids={name: existing[name].topic_id for name in in_use(settings)},
            partitions={name: existing[name].partitions for name in in_use(settings)},
        ),
        actions=tuple(_actions(settings, existing, {creation.logical for creation in missing})),
        is_builtin=is_builtin,
    )


def _connect(settings: Settings) -> AdminClient:
    """A client that has spoken with the broker."""
    servers = settings.kafka.bootstrap_servers
    if not servers:
        raise BadSettings("kafka.bootstrap_servers is empty: name your broker, or start one with `glowplug up`")
    heard: list[KafkaError] = []
    try:
        client = AdminClient(admin_config(settings) | {"error_cb": heard.append})
    except KafkaException as error:
        raise BadSettings(f"kafka.properties: {_text(error)}") from error
    try:
        client.list_topics(timeout=REACH_S)
    except KafkaException as error:
        client.poll(0)  # errors heard in the background say more than "timed out"
        reasons = [each.str() for each in heard if each.code() != KafkaError._ALL_BROKERS_DOWN]
        raise Unreachable(
            f"Kafka does not answer at {shown(servers)} within {REACH_S:.0f} s "
            f"({reasons[-1] if reasons else _text(error)}); check kafka.bootstrap_servers and kafka.properties, "
            "or run `glowplug up` without them for a broker of its own"
        ) from error
    return client


def _is_builtin(client: AdminClient) -> bool:
    return (client.list_topics(timeout=REACH_S).cluster_id or "").startswith(CLUSTER_ID)


def _existing(client: AdminClient, settings: Settings, builtin: bool) -> dict[str, Existing]:
    """By logical name, those topics that exist."""
    names = _names(settings)
    # All topics: a metadata request that names one would create it where the broker allows that.
    found = client.list_topics(timeout=REACH_S).topics
    present = {logical: name for logical, name in names.items() if name in found}
    if builtin:
        return {logical: Existing(len(found[name].partitions)) for logical, name in present.items()}
    described = client.describe_topics(TopicCollection(list(present.values())), request_timeout=ANSWER_S)
    configs = _configs(client, present.values())
    existing = {}
    for logical, name in present.items():
        topic = _answer(described[name])
        config = configs.get(name, {})
        existing[logical] = Existing(
            partitions=len(topic.partitions),
            # As kafka-topics.sh prints it: librdkafka uses the other base64 alphabet.
            topic_id=str(topic.topic_id).replace("+", "-").replace("/", "_"),
            cleanup=config.get("cleanup.policy"),
            max_record_bytes=int(config["max.message.bytes"]) if "max.message.bytes" in config else None,
        )
    return existing


def _existing_all(client: AdminClient, settings: Settings) -> dict[str, Existing]:
    """As `_existing`, once the brokers have heard of all topics."""
    deadline = time.monotonic() + PROPAGATE_S
    while True:
        try:
            existing = _existing(client, settings, builtin=False)
        except KafkaException as error:
            if _code(error) != KafkaError.UNKNOWN_TOPIC_OR_PART or time.monotonic() > deadline:
                raise
        else:
            if len(existing) == len(in_use(settings)):
                return existing
            if time.monotonic() > deadline:
                absent = ", ".join(sorted(set(in_use(settings)) - set(existing)))
                raise BadTopics(f"created topics do not appear within {PROPAGATE_S:.0f} s: {absent}; try again")
        time.sleep(PAUSE_S)


def _configs(client: AdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Topic → its configuration; without those that we may not see."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    configs = {}
    if resources:
        for resource, future in client.describe_configs(resources, request_timeout=ANSWER_S).items():
            try:
                entries: Mapping[str, Any] = _answer(future)
            except KafkaException as error:
                if _code(error) not in FORBIDDEN:
                    raise
                log.warning("no right to see the configuration of %s: its cleanup is not checked", resource.name)
            else:
                configs[resource.name] = {key: entry.value for key, entry in entries.items()}
    return configs


def _create(client: AdminClient, settings: Settings, missing: Iterable[Creation]) -> None:
    topics = [
        NewTopic(
            creation.name,
            num_partitions=creation.partitions,
            replication_factor=settings.kafka.replication_factor,
            config=dict(creation.config),
        )
        for creation in missing
    ]
    for name, future in client.create_topics(topics, request_timeout=ANSWER_S).items():
        try:
            _answer(future)
        except KafkaException as error:
            if _code(error) == KafkaError.TOPIC_ALREADY_EXISTS:
                continue  # another process starts at the same time
            raise BadTopics(
                f"topic {name} cannot be created: {_text(error)}; check kafka.topics, kafka.replication_factor "
                f"and the rights of this client"
            ) from error


def _actions(settings: Settings, existing: Mapping[str, Existing], created: set[str]) -> Iterable[TopicAction]:
    names = _names(settings)
    for logical in in_use(settings):
        has = existing[logical]
        yield TopicAction(
            logical=logical,
            name=names[logical],
            outcome="created" if logical in created else "kept",
            partitions=has.partitions,
            cleanup=has.cleanup or "unknown",
            topic_id=has.topic_id,
        )


def _names(settings: Settings) -> dict[str, str]:
    return {logical: getattr(settings.kafka.topics, logical) for logical in in_use(settings)}


def _answer(future: Future[Answer]) -> Answer:
    return future.result(ANSWER_S + 1.0)  # librdkafka's own timeout comes first


def _code(error: KafkaException) -> int:
    return cast("KafkaError", error.args[0]).code()


def _text(error: KafkaException) -> str:
    return str(cast("KafkaError", error.args[0]).str())
