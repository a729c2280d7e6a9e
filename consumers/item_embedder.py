"""items → item-vectors: each item's text as a vector, its attributes beside it; a deleted item as a tombstone.

`python -m consumers.item_embedder`
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import TypeAdapter

from glowplug.events import Embedding, ItemDeleted, ItemEvent, ItemUpsert, ItemVector, Source
from glowplug.inference.encoder import TextEncoder, load
from glowplug.inference.shared import SharedEncoder
from glowplug.settings import Settings
from glowplug.stream.decode import Tombstone, decode
from glowplug.stream.main import run_alone
from glowplug.stream.step import Record
from glowplug.text.clean import summary
from glowplug.text.embedder import Embedder
from glowplug.text.known import Known
from glowplug.text.plan import Decoded, Made
from glowplug.text.statements import Statement
from glowplug.text.template import item_templates
from glowplug.vectors import pack, unpack

EVENTS: TypeAdapter[ItemEvent] = TypeAdapter(ItemEvent)


class ItemEmbedder(Embedder[ItemUpsert]):
    """Raises BadSettings for a template that names no field of an item."""

    def __init__(self, settings: Settings, encoder: TextEncoder) -> None:
        super().__init__(settings, encoder, name="item_embedder", reads="items", writes="item_vectors", kind="item")
        self._templates = item_templates(settings)

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
            attributes=item.attributes,
            available=item.available,
            listed_at=made.listed_at or item.event_time,
            vector=pack(made.vectors[0]) if made.vectors else None,
            embedding=made.embedding,
            source=made.source,
            generated_at=made.now,
        )

    def recall(self, value: bytes) -> tuple[Source, Embedding, Mapping[str, bytes], datetime]:
        item = ItemVector.model_validate_json(value)
        vectors = {item.embedding.content: unpack(item.vector).tobytes()} if item.vector else {}
        return item.source, item.embedding, vectors, item.listed_at


def make(settings: Settings, encoder: TextEncoder) -> ItemEmbedder:
    return ItemEmbedder(settings, encoder)


def main() -> None:
    run_alone(lambda settings: make(settings, SharedEncoder(load(settings.encoder), settings.encoder.memo)))


if __name__ == "__main__":
    main()
