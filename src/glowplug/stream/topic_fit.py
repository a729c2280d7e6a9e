"""Which topics have to be created and which do not fit: pure, from what the cluster has to what there is to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from glowplug.settings import Settings
from glowplug.topics import Topic, in_use, meeting

DAY_MS = 86_400_000
COMPACTED = {
    # The active segment is never compacted, and every restore reads it whole: 1 GB a partition by default.
    "segment.bytes": str(100 * 2**20),
    "segment.ms": str(DAY_MS),
    # A restore reads at most a third more records than there are keys; Kafka's .5 would be twice as many.
    "min.cleanable.dirty.ratio": "0.25",
    # A reader that was away longer misses deletes: a long weekend, not Kafka's one day.
    "delete.retention.ms": str(7 * DAY_MS),
}
DEAD_LETTER_BYTES = 2 * 2**20  # an input record of Kafka's largest default size, with place and cause beside it


@dataclass(frozen=True, slots=True)
class Existing:
    """A topic as the cluster has it. None or empty: the cluster does not tell."""

    partitions: int
    topic_id: str = ""
    cleanup: str | None = None
    max_record_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Creation:
    """A topic to create; `name` is the cluster's, `logical` ours."""

    logical: str
    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicAction:
    """What `glowplug topics` did with one topic, for people."""

    logical: str
    name: str
    outcome: Literal["created", "kept"]
    partitions: int
    cleanup: str
    topic_id: str


def creations(settings: Settings, existing: Mapping[str, Existing]) -> tuple[Creation, ...]:
    """The topics that `existing` (by logical name) lacks.

    User-keyed ones take the number of partitions of those that exist, before any setting: else they would not fit.
    """
    wanted = settings.kafka.partitions
    user_keyed = meeting(settings)
    shared = next((existing[name].partitions for name in user_keyed if name in existing), None)
    return tuple(
        Creation(
            logical=name,
            name=getattr(settings.kafka.topics, name),
            partitions=(shared if name in user_keyed else None) or wanted or topic.partitions,
            config=_config(topic),
        )
        for name, topic in in_use(settings).items()
        if name not in existing
    )


def misfits(settings: Settings, existing: Mapping[str, Existing]) -> tuple[str, ...]:
    """One sentence for each topic of `existing` that does not fit: what it has, what it needs, the fix."""
    found = [
        problem
        for name, topic in in_use(settings).items()
        if name in existing
        for problem in (
            _cleanup_misfit(settings, topic, existing[name]),
            _size_misfit(settings, topic, existing[name]),
        )
        if problem
    ]
    return (*found, *_partition_misfits(settings, existing))


def _config(topic: Topic) -> dict[str, str]:
    config: dict[str, str] = {"cleanup.policy": topic.cleanup}
    if topic.cleanup == "compact":
        config |= COMPACTED
    if topic.retention_ms is not None:
        config["retention.ms"] = str(topic.retention_ms)
    if topic.name == "dead_letters":
        config["max.message.bytes"] = str(DEAD_LETTER_BYTES)
    return config


def _cleanup_misfit(settings: Settings, topic: Topic, has: Existing) -> str | None:
    if has.cleanup is None or has.cleanup == topic.cleanup:
        return None
    name = getattr(settings.kafka.topics, topic.name)
    loses = (
        "old records would be lost" if topic.cleanup == "compact" else "all but the last record per key would be"
    )
    return (
        f"topic {name} ({topic.name}) has cleanup.policy={has.cleanup} and needs {topic.cleanup} ({loses}); fix: "
        f"{_alter(settings, name, f'cleanup.policy={topic.cleanup}')}"
    )


def _size_misfit(settings: Settings, topic: Topic, has: Existing) -> str | None:
    needs = settings.stream.max_record_bytes
    if topic.writer == "the product" or has.max_record_bytes is None or has.max_record_bytes >= needs:
        return None
    name = getattr(settings.kafka.topics, topic.name)
    return (
        f"topic {name} ({topic.name}) takes records of {has.max_record_bytes} bytes and stream.max_record_bytes is "
        f"{needs}; fix: {_alter(settings, name, f'max.message.bytes={needs}')}, or lower the setting"
    )


def _partition_misfits(settings: Settings, existing: Mapping[str, Existing]) -> tuple[str, ...]:
    present = [name for name in meeting(settings) if name in existing]
    if not present:
        return ()
    names = settings.kafka.topics
    needs = existing[present[0]].partitions
    reference = getattr(names, present[0])
    script = f"kafka-topics.sh --bootstrap-server {settings.kafka.bootstrap_servers}"
    sentences = []
    for logical in present[1:]:
        name, has = getattr(names, logical), existing[logical].partitions
        if has != needs:
            or_else = "; or set kafka.rekey_interactions = true" if logical == "interactions" else ""
            sentences.append(
                f"topic {name} ({logical}) has {has} partitions and needs the {needs} of {reference}, "
                f"or one user's records meet nowhere; fix: {script} --create --topic {name}-{needs} "
                f"--partitions {needs}, and name it in kafka.topics.{logical}; or, if {name} holds nothing yet, "
                f"{script} --delete --topic {name}, and `glowplug topics` again{or_else}"
            )
    return tuple(sentences)


def _alter(settings: Settings, name: str, config: str) -> str:
    return (
        f"kafka-configs.sh --bootstrap-server {settings.kafka.bootstrap_servers} --alter --entity-type topics "
        f"--entity-name {name} --add-config {config}"
    )
