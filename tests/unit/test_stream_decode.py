"""Bytes to events, and every kind of bytes that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from glowplug.errors import KeyMismatch, MalformedJson, MissingKey, Poison, SchemaViolation, TooLarge
from glowplug.events import Interaction, ItemCreated, ItemEvent
from glowplug.stream.decode import Tombstone, decode
from tests.support.records import record

ITEMS: TypeAdapter[ItemEvent] = TypeAdapter(ItemEvent)
INTERACTIONS: TypeAdapter[Interaction] = TypeAdapter(Interaction)
ITEM = {"type": "item.created", "event_id": "e1", "event_time": "2026-02-01T00:00:00Z", "item_id": "i1"}


def decode_item(value: bytes | None, key: bytes | None = b"i1") -> Any:
    return decode(record(topic="items", key=key, value=value), ITEMS, lambda event: event.item_id)


def item(**fields: Any) -> bytes:
    return json.dumps({**ITEM, **fields}).encode()


def test_a_valid_record_is_its_event_and_unknown_fields_are_ignored() -> None:
    event = decode_item(item(title="Kettle", colour_of_tomorrow="blue"))

    assert isinstance(event, ItemCreated)
    assert event.title == "Kettle"


def test_a_null_value_is_a_delete() -> None:
    assert decode_item(None) == Tombstone("i1")


@pytest.mark.parametrize(
    ("key", "value", "kind", "told"),
    [
        (None, item(), MissingKey, "the record's key is missing"),
        (b"", item(), MissingKey, "the record's key is missing"),
        (b"\xff", item(), MalformedJson, "not UTF-8"),
        (b"i2", item(), KeyMismatch, "key is i2, the id inside is i1"),
        (b"i1", b"", MalformedJson, "invalid JSON"),
        (b"i1", b"{'single': 1}", MalformedJson, "invalid JSON"),
        (b"i1", b"\xff\xfe", MalformedJson, "invalid JSON"),
        (b"i1", item(title="a\ud800") + b"x", MalformedJson, "invalid JSON"),
        (b"i1", b"NaN", MalformedJson, "nan"),
        (b"i1", item(attributes={"weight": float("nan")}), MalformedJson, "attributes.weight"),
        (b"i1", item(attributes={"weight": float("inf")}), MalformedJson, "attributes.weight"),
        (b"i1", b"[" * 10_000, MalformedJson, "recursion limit"),
        (b"i1", b"[]", SchemaViolation, "should be an object"),
        (b"i1", b"{}", SchemaViolation, "type"),
        (b"i1", item(type="item.painted"), SchemaViolation, "item.painted"),
        (b"i1", item(event_time="yesterday"), SchemaViolation, "event_time: "),
        (b"i1", item(available="yes"), SchemaViolation, "available: should be a valid boolean, not yes"),
        (b"i1", item(title="x" * 1_001), TooLarge, "title: string should have at most 1000 char"),
        (b"i1", item(attributes={"tags": ["t"] * 257}), TooLarge, "(it has 257)"),
        (b"x" * 257, None, TooLarge, "256 characters (it has 257)"),
        (b"a\nb", None, SchemaViolation, "pattern"),
    ],
)  # fmt: skip
def test_an_invalid_record_is_told_by_cause_field_value_and_limit(
    key: bytes | None, value: bytes | None, kind: type[Poison], told: str
) -> None:
    with pytest.raises(kind) as caught:
        decode_item(value, key)

    assert type(caught.value) is kind
    assert told in str(caught.value)
    assert str(caught.value).startswith("items: ")
    assert len(str(caught.value)) < 1_000


def test_branches_of_a_union_are_told_as_one_field() -> None:
    with pytest.raises(SchemaViolation) as caught:
        decode_item(item(attributes={"a": None}))

    assert str(caught.value) == (
        "items: attributes.a: should be a valid number or a valid string or a valid array, not None"
    )


def test_of_many_faults_the_first_few_are_told() -> None:
    with pytest.raises(SchemaViolation, match="and 6 fields more"):
        decode_item(item(attributes={f"a{n}": None for n in range(9)}))


def test_a_rule_over_several_fields_is_told_too() -> None:
    fields = {"type": "interaction", "event_id": "e", "event_time": "2026-02-01T00:00:00Z", "user_id": "u"}
    value = json.dumps({**fields, "item_id": "i", "action": "rating"}).encode()

    with pytest.raises(SchemaViolation, match="value belongs to action 'rating'"):
        decode(record(key=b"u", value=value), INTERACTIONS, lambda event: event.user_id)
