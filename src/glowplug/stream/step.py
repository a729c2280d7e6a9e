"""The seam between the engine and a consumer: a step is a function from a batch to effects.

A step never touches a client, a clock or a socket. The engine performs what it returns, in this order: store
writes, then one Kafka transaction (outgoing records, dead letters, input offsets), then `apply(changes)`.
An abort discards the effects, and the step sees the same records again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from glowplug.errors import Poison

Headers = tuple[tuple[str, bytes], ...]
Changes = TypeVar("Changes")
Until = Literal["end", "committed"]
Tail = Literal["tail", "assign"]


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record. `topic` is the logical name (a field of settings.TopicNames), never the cluster's."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to produce. Without `partition`, murmur2 of the key decides, as in the Java client.

    timestamp_ms: None: the time at which it is produced.
    cause: the input that it comes from. Where the record is larger than `stream.max_record_bytes`, that input
           becomes a dead letter instead; without a cause the consumer stops.
    """

    topic: str
    key: str
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    cause: Record | None = None
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An invalid input record: produced with its original bytes, key and headers, place and cause beside them."""

    record: Record
    error: Poison


@dataclass(frozen=True, slots=True)
class StoreWrite:
    """One value for the store, applied where `version` is greater than what is there. None deletes."""

    key: str
    version: tuple[str, int, int]  # topic id, partition, offset of the record it comes from
    fields: Mapping[str, bytes] | None


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may know of the cluster, by logical topic name."""

    topic_ids: Mapping[str, str]
    partitions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in order per key, possibly none (when the step was due).

    now:       wall clock, for `generated_at` and nothing that decides an order.
    monotonic: seconds, for windows and `due`.
    caught_up: all inputs and tables were read up to the ends that they had at the assignment.
    behind:    records that are known to wait behind this batch, inputs and tables together.
    tables_behind: of these, those of the tables.
    """

    records: tuple[Record, ...]
    now: datetime
    monotonic: float
    caught_up: bool = True
    behind: int = 0
    tables_behind: int = 0


@dataclass(frozen=True, slots=True)
class Effects(Generic[Changes]):
    changes: Changes
    outgoing: tuple[Outgoing, ...] = ()
    dead_letters: tuple[DeadLetter, ...] = ()
    writes: tuple[StoreWrite, ...] = ()


class Step(Protocol[Changes]):
    """One consumer group's work.

    name:     suffix of the group id, label in metrics, name of its kill points.
    inputs:   logical topics that the group shares out by partition. A step with `restores` keeps state by partition
              number: it gets the same numbers of all inputs. One without may have inputs that differ in number.
    tables:   logical topics read whole by every instance: 'tail' for ever, 'assign' up to the end whenever
              partitions are assigned (an embedder reads its own output so, for versions and content hashes).
    restores: logical topics read for the assigned partition numbers only, before their first record:
              to the end (own outputs) or up to the group's committed offset, exclusive (inputs).
    """

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def tables(self) -> Mapping[str, Tail]: ...
    @property
    def restores(self) -> Mapping[str, Until]: ...

    def open(self, context: Context) -> None:
        """Called once, before anything else."""

    def restore(self, records: Sequence[Record]) -> None:
        """Committed records of the `restores` topics, in order per partition."""

    def absorb(self, records: Sequence[Record]) -> None:
        """Committed records of the `tables`, in order per partition; between batches, never during `step`."""

    def assigned(self, partitions: frozenset[int]) -> None:
        """These partition numbers are ours and restored; their records come next."""

    def revoked(self, partitions: frozenset[int]) -> None:
        """Forget them: somebody else owns them now."""

    def step(self, batch: Batch) -> Effects[Changes]:
        """Effects of the batch. May take long; may run in another thread than the other methods, never at the
        same time. Raises Recoverable (the same batch again, after a pause) or Fatal."""
        ...

    def apply(self, changes: Changes) -> None:
        """The effects are committed: now, and only now, the state moves."""

    def due(self) -> float | None:
        """Monotonic time at which the step wants a batch even without records; None: never."""
        ...


@runtime_checkable
class Relieving(Protocol):
    """A step that may take over an input from another one: whatever either has committed of it is done.

    relieves: the name of the other step, by logical topic.
    """

    @property
    def relieves(self) -> Mapping[str, str]: ...


@runtime_checkable
class Rewinding(Protocol):
    """A step whose state lies in a store that can be lost: then the log is read again."""

    def from_beginning(self, topic: str, partition: int) -> bool:
        """Asked at the assignment of `partition` of the logical `topic`: read it from its beginning, whatever was
        committed. Raises StoreUnavailable: asked again."""
        ...
