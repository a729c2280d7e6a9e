"""Committed records become values that product systems read."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import orjson
import pytest
from prometheus_client import REGISTRY

from consumers.redis_writer import LOOK_S, RedisWriter
from glowplug.errors import StoreUnavailable, StoreWiped
from glowplug.events import (
    Basis,
    Embedding,
    Event,
    Explanation,
    ItemVector,
    Recommendations,
    Recommended,
    Scored,
    Source,
    UserState,
)
from glowplug.serving.documents import item_in, recommendations_in, user_in
from glowplug.serving.memory_store import MemoryStore
from glowplug.stream.step import Batch, Context, Record
from glowplug.vectors import Vector, pack

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
VECTOR = pack(np.array([0.6, 0.8]))
TOPIC_IDS = {"item_vectors": "iv", "user_states": "us", "recommendations": "re"}

ITEM = ItemVector(
    item_id="i1",
    domain="films",
    title="Alien",
    attributes={"year": 1979.0},
    available=True,
    listed_at=NOON,
    vector=VECTOR,
    embedding=Embedding(fingerprint="fake:1", template="t", content="c"),
    source=Source(topic="items", partition=0, offset=3, version=3, event_id="e", event_time=NOON),
    generated_at=NOON,
)
USER = UserState(
    user_id="u1",
    status="active",
    seen="c2Vlbg==",
    evidence=2.5,
    vector=VECTOR,
    raw=(Scored(item_id="i1", score=0.5),),
    published=("i1",),
    stage="warm",
    updated_at=NOON,
)
SAID = Explanation(kind="interest", text="You said sf.")
LIST = Recommendations(
    user_id="u1",
    reason="user.created",
    stage="provisional",
    covers=("e",),
    basis=Basis(text=1.0, profile=0.0, behaviour=0.0, popularity=0.0),
    items=(Recommended(item_id="i1", rank=1, score=0.5, title="Alien", explanation=SAID),),
    encoder="fake:1",
    epoch=0,
    source_event_time=NOON,
    generated_at=NOON,
)


def record(topic: str, key: str, value: Event | bytes | None, offset: int = 0, partition: int = 0) -> Record:
    body = value.model_dump_json().encode() if isinstance(value, Event) else value
    return Record(topic, partition, offset, 0, key.encode(), body)


def opened(store: MemoryStore | None = None, now_s: float = 0.0) -> RedisWriter:
    writer = RedisWriter(MemoryStore() if store is None else store, now=lambda: now_s)
    writer.open(Context(TOPIC_IDS, dict.fromkeys(TOPIC_IDS, 6)))
    return writer


def batch(*records: Record, caught_up: bool = True) -> Batch:
    return Batch(records, NOON, 0.0, caught_up)


def folded(*records: Record) -> MemoryStore:
    store = MemoryStore()
    store.fold(opened(store).step(batch(*records)).writes)
    return store


def test_an_item_a_user_and_a_list_each_get_their_key() -> None:
    store = folded(
        record("item_vectors", "i1", ITEM), record("user_states", "u1", USER), record("recommendations", "u1", LIST)
    )
    item, user, found = (store.get(key) for key in ("item:i1", "user:u1", "recs:u1"))
    assert item is not None
    assert user is not None
    assert found is not None
    assert item_in(item) == ITEM
    assert user_in(user) == USER.model_copy(update={"seen": "", "raw": ()})
    assert recommendations_in(found) == LIST


def test_a_document_is_json_and_the_vector_raw_float16_beside_it() -> None:
    fields = folded(record("item_vectors", "i1", ITEM)).get("item:i1")
    assert fields is not None
    assert orjson.loads(fields["doc"])["vector"] is None
    assert np.frombuffer(fields["vector"], "<f2").tolist() == pytest.approx([0.6, 0.8], abs=1e-3)


def test_the_version_is_the_place_of_the_record() -> None:
    writes = opened().step(batch(record("user_states", "u1", USER, offset=41, partition=3))).writes
    assert [write.version for write in writes] == [("us", 3, 41)]


@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [
        ("item_vectors", "item:x", None),
        ("user_states", "user:x", None),
        ("recommendations", "recs:x", None),
        ("user_states", "user:x", UserState(user_id="x", status="deleted", updated_at=NOON)),
    ],
)
def test_what_is_deleted_in_the_log_is_deleted_in_the_store(topic: str, key: str, value: Event | None) -> None:
    writes = opened().step(batch(record(topic, "x", value))).writes
    assert [(write.key, write.fields) for write in writes] == [(key, None)]


def test_of_several_versions_in_one_batch_only_the_last_is_written() -> None:
    later = LIST.model_copy(update={"epoch": 1})
    writes = (
        opened()
        .step(batch(record("recommendations", "u1", LIST, 1), record("recommendations", "u1", later, 2)))
        .writes
    )
    assert [write.version[2] for write in writes] == [2]


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (b"{", "malformed_json"),
        (b"{}", "schema_violation"),
        (ITEM.model_copy(update={"item_id": "other"}), "key_mismatch"),
        (ITEM.model_copy(update={"vector": Vector.model_construct(dim=3, data=VECTOR.data)}), "schema_violation"),
    ],
)
def test_a_record_that_nobody_can_read_is_one_dead_letter(value: Event | bytes, cause: str) -> None:
    effects = opened().step(batch(record("item_vectors", "i1", value), record("user_states", "u1", USER)))
    assert [letter.error.cause for letter in effects.dead_letters] == [cause]
    assert [write.key for write in effects.writes] == ["user:u1"]


def test_a_partition_is_read_from_its_beginning_until_its_first_batch_is_committed() -> None:
    writer = opened()
    assert writer.from_beginning("item_vectors", 2)
    effects = writer.step(batch(record("item_vectors", "i1", ITEM, partition=2)))
    assert writer.from_beginning("item_vectors", 2)
    writer.apply(effects.changes)
    assert not writer.from_beginning("item_vectors", 2)
    assert writer.from_beginning("item_vectors", 1)
    assert writer.from_beginning("user_states", 2)


def test_after_a_wipe_every_partition_begins_again() -> None:
    store = MemoryStore()
    writer = opened(store)
    effects = writer.step(batch(record("item_vectors", "i1", ITEM)))
    writer.apply(effects.changes)
    store.wipe()
    assert writer.from_beginning("item_vectors", 0)
    writer.apply(effects.changes)
    assert not writer.from_beginning("item_vectors", 0)


def test_a_mark_that_could_not_be_set_is_set_by_the_next_batch() -> None:
    class Down(MemoryStore):
        down = True

        def begin(self, places: object) -> None:
            if self.down:
                raise StoreUnavailable("down")
            super().begin(places)  # type: ignore[arg-type]  # as the Protocol has it

    store = Down()
    writer = opened(store)
    effects = writer.step(batch(record("item_vectors", "i1", ITEM)))
    writer.apply(effects.changes)
    store.down = False
    writer.apply(effects.changes)
    assert not writer.from_beginning("item_vectors", 0)


def test_a_wipe_is_noticed_while_nothing_happens() -> None:
    store = MemoryStore()
    writer = opened(store)
    assert writer.due() is None
    writer.apply(writer.step(batch(record("item_vectors", "i1", ITEM))).changes)
    assert writer.due() == LOOK_S
    writer.apply(writer.step(Batch((), NOON, LOOK_S)).changes)
    assert writer.due() == 2 * LOOK_S
    store.wipe()
    with pytest.raises(StoreWiped):
        writer.step(Batch((), NOON, 2 * LOOK_S))


def visible(kind: str) -> float:
    return REGISTRY.get_sample_value("glowplug_visible_seconds_sum", {"kind": kind}) or 0.0


def test_the_time_to_visibility_is_counted_from_the_event_once_the_batch_is_committed() -> None:
    before = visible("recs")
    writer = opened(now_s=NOON.timestamp() + 2.5)
    effects = writer.step(batch(record("recommendations", "u1", LIST)))
    assert visible("recs") == before
    writer.apply(effects.changes)
    assert visible("recs") == pytest.approx(before + 2.5)


def test_what_is_written_again_from_the_beginning_is_not_counted() -> None:
    before = visible("item")
    writer = opened(now_s=NOON.timestamp() + 9.0)
    writer.apply(writer.step(batch(record("item_vectors", "i1", ITEM), caught_up=False)).changes)
    assert visible("item") == before
