"""items → item-vectors: each item's text as a vector, its attributes beside it; a deleted item as a tombstone.

`python -m consumers.item_embedder`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter

from glowplug.events import ItemDeleted, ItemEvent, ItemUpsert, ItemVector
from glowplug.inference.encoder import TextEncoder, load
from glowplug.inference.shared import SharedEncoder
from glowplug.observe.health import Condition
from glowplug.profiles.model import ProfileModel
from glowplug.profiles.writer_items import ItemReader, Reading
from glowplug.profiles.writer_turns import load_model
from glowplug.settings import Settings
from glowplug.stream.decode import Tombstone, decode
from glowplug.stream.main import run_alone
from glowplug.stream.step import Batch, Context, Effects, Outgoing, Record
from glowplug.text.clean import summary
from glowplug.text.embedder import Embedder
from glowplug.text.known import Known, Recalled, said_in
from glowplug.text.plan import Decoded, Folded, Made
from glowplug.text.statements import Statement
from glowplug.text.template import item_templates
from glowplug.vectors import pack, unpack

EVENTS: TypeAdapter[ItemEvent] = TypeAdapter(ItemEvent)


@dataclass(frozen=True, slots=True)
class Read(Folded):
    reading: Reading


class ItemEmbedder(Embedder[ItemUpsert]):
    """Raises BadSettings for a template that names no field of an item."""

    def __init__(
        self,
        settings: Settings,
        encoder: TextEncoder,
        model: ProfileModel | None = None,
        *,
        is_threaded: bool = True,
    ) -> None:
        """model: reads the items beside, for their attributes. is_threaded: see profiles.writer_desk.Desk."""
        super().__init__(settings, encoder, name="item_embedder", reads="items", writes="item_vectors", kind="item")
        self._templates = item_templates(settings)
        self.reader = None if model is None else ItemReader(model, self.decode, is_threaded=is_threaded)
        if self.reader is not None:
            self.restores = {"items": "committed"}

    # ---- what the reader adds to a Step ------------------------------------------------------------------

    def open(self, context: Context) -> None:
        super().open(context)
        if self.reader is not None:
            self.reader.desk.open()

    def restore(self, records: Sequence[Record]) -> None:
        if self.reader is not None:
            self.reader.restore(records)

    def assigned(self, partitions: frozenset[int]) -> None:
        if self.reader is not None:
            self.reader.assigned(partitions)

    def revoked(self, partitions: frozenset[int]) -> None:
        if self.reader is not None:
            self.reader.revoked(partitions)

    def due(self) -> float | None:
        return 0.0 if self.reader is not None and self.reader.desk.done() else None

    def condition(self) -> Condition:
        own = super().condition()
        return own if self.reader is None or own.state != "ok" else self.reader.desk.condition()

    def step(self, batch: Batch) -> Effects[Folded]:
        effects = super().step(batch)
        if self.reader is None:
            return effects
        folded, reading = effects.changes, self.reader.read(effects.outgoing)
        known, published = dict(folded.known), dict(reading.published)
        settled = tuple(done for done in self.reader.desk.done() if done.job.id not in known)
        again: list[Outgoing] = []
        for item_id, (item, done) in self.reader.results(settled).items():
            value = item.model_copy(update={"generated_at": batch.now}).model_dump_json().encode()
            before = self._known.get(item_id)
            if before is None or before.made_by is None or len(value) > self._max_bytes:
                continue
            known[item_id] = replace(before, said=said_in(value))
            published[item_id] = value
            again.append(Outgoing("item_vectors", item_id, value, cause=done.job.record))
        changes = Read(known, folded.stale, folded.saved, Reading(published, reading.jobs, settled))
        return Effects(changes, (*effects.outgoing, *again), effects.dead_letters)

    def apply(self, changes: Folded) -> None:
        super().apply(changes)
        if self.reader is not None and isinstance(changes, Read):
            self.reader.apply(changes.reading)

    # ---- items -------------------------------------------------------------------------------------------

    def decode(self, record: Record) -> Decoded[ItemUpsert] | Tombstone:
        event = decode(record, EVENTS, lambda event: event.item_id)
        if isinstance(event, Tombstone):
            return event
        return Decoded(event.item_id, event, None if isinstance(event, ItemDeleted) else event)

    def state(self, upsert: ItemUpsert) -> tuple[str, tuple[Statement, ...]]:
        template = self._templates.get(upsert.domain) or self._templates["default"]
        text = template.text(upsert)
        return template.hash, (Statement("text", text, 1.0),) if text else ()

    def listed_at(self, upsert: ItemUpsert, known: Known | None) -> datetime:
        return upsert.listed_at or (known and known.listed_at) or upsert.event_time

    def output(self, made: Made[ItemUpsert]) -> ItemVector:
        item = made.upsert
        return ItemVector(
            item_id=item.item_id,
            domain=item.domain,
            title=item.title,
            summary=summary(item.description),
            description=item.description,
            attributes=item.attributes,
            available=item.available,
            listed_at=made.listed_at or item.event_time,
            vector=pack(made.vectors[0]) if made.vectors else None,
            inferred=self.reader.known(item) if self.reader is not None else None,
            embedding=made.embedding,
            source=made.source,
            generated_at=made.now,
        )

    def recall(self, value: bytes) -> Recalled:
        item = ItemVector.model_validate_json(value)
        if self.reader is not None:
            self.reader.published(item, value)
        vectors = {item.embedding.content: unpack(item.vector).tobytes()} if item.vector else {}
        return Recalled(item.source, item.embedding, vectors, item.listed_at)


def make(settings: Settings, encoder: TextEncoder, model: ProfileModel | None = None) -> ItemEmbedder:
    """model: None where items are not to be read."""
    return ItemEmbedder(settings, encoder, model)


def main() -> None:
    def alone(settings: Settings) -> ItemEmbedder:
        encoder = SharedEncoder(load(settings.encoder), settings.encoder.memo)
        return make(
            settings, encoder, load_model(settings, encoder.behind()) if settings.profile_writer.items else None
        )

    run_alone(alone)


if __name__ == "__main__":
    main()
