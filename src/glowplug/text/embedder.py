"""What the item and the user embedder share: versions, deletes, and never embedding the same text twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Generic, Literal

import numpy as np

from glowplug.errors import ModelRejected, Poison, TooLarge
from glowplug.events import Embedding, Event
from glowplug.inference.bisect import encode_each
from glowplug.inference.encoder import Kind, TextEncoder
from glowplug.observe import metrics
from glowplug.observe.health import Condition, Reporting
from glowplug.settings import Settings
from glowplug.stream.decode import Tombstone
from glowplug.stream.step import Batch, Context, DeadLetter, Effects, Outgoing, Record, Tail, Until
from glowplug.stream.versions import null_version
from glowplug.text.hashes import content_hash
from glowplug.text.known import Known, Recalled, fold_output, is_stale, maker, said_in
from glowplug.text.lineage import Lineage
from glowplug.text.plan import Decoded, Folded, Made, Plan, Upsert, Vectors
from glowplug.text.statements import Statement


class Embedder(ABC, Generic[Upsert]):
    """A Step: records of one input topic become vectors, or tombstones, in one output topic, by version.

    Its state is its own output, so a restart knows every version, every deleted id and every vector. The outcome
    for an id does not depend on how the log is cut into batches: of several versions in one batch all are checked
    and embedded, and the last valid one is published.
    """

    def __init__(
        self,
        settings: Settings,
        encoder: TextEncoder,
        *,
        name: str,
        reads: Literal["items", "users"],
        writes: str,
        kind: Kind,
    ) -> None:
        self.name = name
        self.inputs = (reads,)
        self.tables: Mapping[str, Tail] = {writes: "assign"}
        self.restores: Mapping[str, Until] = {}
        self._lineage = Lineage(settings.stream, reads)
        self._writes = writes
        self._kind: Kind = kind
        self._encoder = encoder
        self._max_bytes = settings.stream.max_record_bytes
        self._known: dict[str, Known] = {}

    # ---- what differs between items and users ------------------------------------------------------------

    @abstractmethod
    def decode(self, record: Record) -> Decoded[Upsert] | Tombstone:
        """What `record` says. Raises Poison."""

    @abstractmethod
    def state(self, upsert: Upsert) -> tuple[str, tuple[Statement, ...]]:
        """Template hash, and the statements to embed. Raises SchemaViolation."""

    @abstractmethod
    def output(self, made: Made[Upsert]) -> Event:
        """The record to publish."""

    @abstractmethod
    def recall(self, value: bytes) -> Recalled:
        """An earlier output. Raises ValueError (pydantic's ValidationError is one) for anything else."""

    def listed_at(self, upsert: Upsert, known: Known | None) -> datetime | None:  # noqa: ARG002  items use it
        return None

    # ---- Step --------------------------------------------------------------------------------------------

    def open(self, context: Context) -> None:
        self._lineage.open(context)

    def restore(self, records: Sequence[Record]) -> None:
        """Nothing: the state is the table."""

    def absorb(self, records: Sequence[Record]) -> None:
        fold_output(self._known, records, self._recalled)

    def assigned(self, partitions: frozenset[int]) -> None:
        """Nothing: ids of all partitions are known."""

    def revoked(self, partitions: frozenset[int]) -> None:
        """Nothing: what is known stays true, and is read anew before the partitions come back."""

    def due(self) -> float | None:
        return None

    def step(self, batch: Batch) -> Effects[Folded]:
        plans = [self._plan(record) for record in batch.records]
        vectors, saved = self._embed([plan for plan in plans if isinstance(plan, Plan)])
        folded: dict[str, Known] = {}
        outgoing: dict[str, Outgoing] = {}
        dead: list[DeadLetter] = []
        stale = 0
        for plan in plans:
            if isinstance(plan, DeadLetter):
                dead.append(plan)
                continue
            known = folded.get(plan.id, self._known.get(plan.id))
            if is_stale(known, plan.version, plan.made_by):
                stale += 1
                continue
            try:
                now_known, out = self._result(plan, known, vectors, batch.now)
            except Poison as error:
                dead.append(DeadLetter(plan.record, error))
                continue
            if known is not None and known.said and known.said == now_known.said:
                stale += 1  # the same event, sent again
                continue
            folded[plan.id], outgoing[plan.id] = now_known, out
        return Effects(Folded(folded, stale, saved), tuple(outgoing.values()), tuple(dead))

    def apply(self, changes: Folded) -> None:
        self._known.update(changes.known)
        metrics.stale_inputs.labels(self.name).inc(changes.stale)
        metrics.inference_saved.labels(self._kind).inc(changes.saved)

    def condition(self) -> Condition:
        return self._encoder.condition() if isinstance(self._encoder, Reporting) else Condition("ok")

    # ---- the parts of a step -----------------------------------------------------------------------------

    def _plan(self, record: Record) -> Plan[Upsert] | DeadLetter:
        try:
            decoded = self.decode(record)
            if isinstance(decoded, Tombstone):
                return Plan(record, decoded.id, self._lineage.null_version(record))
            version = self._lineage.version(record, decoded.event)
            if decoded.upsert is None:
                return Plan(record, decoded.id, version, decoded.event)
            template, statements = self.state(decoded.upsert)
        except Poison as error:
            return DeadLetter(record, error)
        made_by = (self._encoder.fingerprint, template)
        contents = tuple(content_hash([one.text]) for one in statements)
        return Plan(record, decoded.id, version, decoded.event, decoded.upsert, made_by, statements, contents)

    def _embed(self, plans: Sequence[Plan[Upsert]]) -> tuple[Vectors, int]:
        """Vectors by content hash, from memory where it has them; and how many texts that spared the model."""
        # One that follows another of its id in the batch may be stale now and fresh once that one is folded.
        ids = Counter(plan.id for plan in plans)
        fresh = [
            plan
            for plan in plans
            if ids[plan.id] > 1 or not is_stale(self._known.get(plan.id), plan.version, plan.made_by)
        ]
        vectors: dict[str, bytes | ModelRejected] = {}
        for plan in fresh:
            if (known := self._known.get(plan.id)) is not None:
                vectors |= {
                    content: known.vectors[content] for content in plan.contents if content in known.vectors
                }
        texts = {
            content: statement.text
            for plan in fresh
            for content, statement in zip(plan.contents, plan.statements, strict=True)
            if content not in vectors
        }
        rows = encode_each(self._encoder, list(texts.values()), self._kind) if texts else []
        for content, row in zip(texts, rows, strict=True):
            vectors[content] = row if isinstance(row, ModelRejected) else row.astype("<f2").tobytes()
        return vectors, sum(len(plan.contents) for plan in fresh) - len(texts)

    def _result(
        self, plan: Plan[Upsert], known: Known | None, vectors: Vectors, now: datetime
    ) -> tuple[Known, Outgoing]:
        """What is known from here on, and the record that says so. Raises ModelRejected, TooLarge."""
        version = null_version(known.version if known else None) if plan.version is None else plan.version
        if plan.upsert is None:
            headers = self._lineage.tombstone(plan.record, version, plan.event)
            return Known(version, None, deleted=version), Outgoing(
                self._writes, plan.id, None, headers, cause=plan.record
            )
        found = _all_made(plan.contents, vectors)
        made = Made(
            plan.upsert,
            plan.statements,
            tuple(np.frombuffer(found[content], dtype="<f2") for content in plan.contents),
            self._embedding(plan),
            self._lineage.source(plan.record, plan.upsert, version),
            self.listed_at(plan.upsert, known),
            known.deleted if known else None,
            now,
        )
        value = self.output(made).model_dump_json().encode()
        if len(value) > self._max_bytes:
            raise TooLarge(
                f"{plan.record.topic}: what becomes of it has {len(value)} bytes, the limit "
                f"stream.max_record_bytes is {self._max_bytes}; send fewer statements or shorter lists"
            )
        known_now = Known(version, maker(made.embedding), found, made.listed_at, said_in(value), made.deleted)
        return known_now, Outgoing(self._writes, plan.id, value, cause=plan.record)

    def _embedding(self, plan: Plan[Upsert]) -> Embedding:
        fingerprint, template = plan.made_by or ("", "")
        content = content_hash(statement.text for statement in plan.statements)
        return Embedding(fingerprint=fingerprint, template=template, content=content)

    def _recalled(self, record: Record) -> Known | None:
        """None for what this consumer cannot have written: its id is then embedded as if it were new."""
        if record.value is None:
            version = self._lineage.buried(record)
            return None if version is None else Known(version, None, deleted=version)
        try:
            source, embedding, vectors, listed_at, deleted = self.recall(record.value)
        except ValueError:
            return None
        version = self._lineage.comparable(source.version, source.topic_id)
        # Vectors of another encoder would only take memory: they are never compared with this one's.
        same_space = embedding.fingerprint == self._encoder.fingerprint
        if deleted is not None:
            deleted = self._lineage.comparable(deleted, source.topic_id)
        vectors = vectors if same_space else {}
        return Known(version, maker(embedding), vectors, listed_at, said_in(record.value), deleted)


def _all_made(contents: Sequence[str], vectors: Vectors) -> dict[str, bytes]:
    """The vectors of one input. Raises ModelRejected if there is none for one of its texts."""
    found: dict[str, bytes] = {}
    for content in contents:
        vector = vectors[content]
        if isinstance(vector, ModelRejected):
            raise vector
        found[content] = vector
    return found
