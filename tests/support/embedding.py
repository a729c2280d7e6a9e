"""Items for the embedder, and the embedder run without a broker."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from consumers.item_embedder import ItemEmbedder
from glowplug.events import Input, ItemCreated, ItemDeleted, ItemUpdated, ItemVector
from glowplug.inference.fake import FakeEncoder
from glowplug.settings import AttributeDeclaration, DomainSettings, Settings, StreamSettings
from glowplug.stream.step import Batch, Context, DeadLetter, Outgoing, Record

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
YEAR = AttributeDeclaration(type="number", meaning="year of release")
BY_EVENT = StreamSettings(versions={"items": "event"})


def created(item_id: str = "a", **fields: object) -> ItemCreated:
    return ItemCreated.model_validate({"event_id": "e", "event_time": NOON, "item_id": item_id} | fields)


def updated(item_id: str = "a", **fields: object) -> ItemUpdated:
    return ItemUpdated.model_validate({"event_id": "e2", "event_time": NOON, "item_id": item_id} | fields)


def deleted(item_id: str = "a", version: int | None = None) -> ItemDeleted:
    return ItemDeleted(event_id="d", event_time=NOON, item_id=item_id, version=version)


def record(offset: int, event: Input | bytes | None, key: str = "a") -> Record:
    value = event.model_dump_json().encode() if isinstance(event, Input) else event
    return Record("items", 1, offset, 0, key.encode(), value)


def opened(
    stream: StreamSettings | None = None, encoder: FakeEncoder | None = None, domain: DomainSettings | None = None
) -> ItemEmbedder:
    tree = Settings(stream=stream or StreamSettings(), domains={"default": domain or DomainSettings()})
    embedder = ItemEmbedder(tree, encoder or FakeEncoder(fails_on="BOOM"))
    embedder.open(Context({"items": "T"}, {"items": 6}))
    return embedder


def run(embedder: ItemEmbedder, *records: Record) -> tuple[tuple[Outgoing, ...], tuple[DeadLetter, ...]]:
    """One committed batch."""
    effects = embedder.step(Batch(records, NOON, 0.0))
    embedder.apply(effects.changes)
    return effects.outgoing, effects.dead_letters


def vectors(outgoing: Iterable[Outgoing]) -> list[ItemVector]:
    return [ItemVector.model_validate_json(one.value) for one in outgoing if one.value is not None]


def absorbed(outgoing: Iterable[Outgoing], into: ItemEmbedder) -> ItemEmbedder:
    """`into`, with the output topic read back, as after a restart."""
    into.absorb(
        [
            Record("item_vectors", 0, at, 0, one.key.encode(), one.value, one.headers)
            for at, one in enumerate(outgoing)
        ]
    )
    return into
