"""A record's bytes to an event of the contract, or the Poison that says why not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from glowplug.errors import KeyMismatch, MalformedJson, MissingKey, Poison, SchemaViolation, TooLarge, shown
from glowplug.events import INPUTS, Id, event_type
from glowplug.stream.step import Record

E = TypeVar("E")
EVENT_TYPES = frozenset(event_type(model) for model in INPUTS)

# pydantic's names of errors. The first set means that the bytes are no JSON that RFC 8259 knows (NaN and Infinity
# are none); the second that something is longer than the contract allows.
NOT_JSON = frozenset({"json_invalid", "json_type", "finite_number"})
TOO_LONG = frozenset({"string_too_long", "too_long", "bytes_too_long"})
FIELDS_SHOWN = 3  # a record with a hundred faults is mended from the first few as well
_ids: TypeAdapter[str] = TypeAdapter(Id)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A null value: what is called `id` is deleted."""

    id: str


def record_key(record: Record) -> str:
    """The record's key as text. Raises MissingKey (null or empty) or MalformedJson (not UTF-8)."""
    if not record.key:
        raise MissingKey(f"{record.topic}: the record's key is missing; it must be the id inside the event")
    try:
        return record.key.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson(f"{record.topic}: the record's key {shown(record.key)} is not UTF-8") from error


def decode(record: Record, adapter: TypeAdapter[E], id_of: Callable[[E], str]) -> E | Tombstone:
    """The event in `record`, or the Tombstone that a null value is.

    id_of: the id inside the event that the record's key has to equal.
    Raises MissingKey, MalformedJson (NaN and Infinity included), TooLarge (a text or list beyond its limit),
    SchemaViolation, KeyMismatch.
    """
    key = record_key(record)
    try:
        if record.value is None:
            return Tombstone(_ids.validate_python(key))
        event = adapter.validate_json(record.value)
    except ValidationError as error:
        raise poison(error, record.topic) from None  # the chain would carry the whole text into logs
    inside = id_of(event)
    if inside != key:
        raise KeyMismatch(f"{record.topic}: the record's key is {shown(key)}, the id inside is {shown(inside)}")
    return event


def poison(error: ValidationError, topic: str) -> Poison:
    """The Poison that a failed validation amounts to: each fault by field, value, and limit."""
    faults: list[Any] = error.errors(include_url=False)
    for kind, matches in ((MalformedJson, _is_no_json), (TooLarge, _is_too_long)):
        matching = [fault for fault in faults if matches(fault)]
        if matching:
            return kind(f"{topic}: {_told(matching)}")
    return SchemaViolation(f"{topic}: {_told(faults)}")


def _is_no_json(fault: Any) -> bool:
    value = fault["input"]
    return fault["type"] in NOT_JSON or (isinstance(value, float) and not math.isfinite(value))


def _is_too_long(fault: Any) -> bool:
    return fault["type"] in TOO_LONG


def _told(faults: list[Any]) -> str:
    """One clause a field: the branches of a union that refused the same value are told together."""
    by_field: dict[str, list[Any]] = {}
    for fault in faults:
        by_field.setdefault(_field(fault["loc"]), []).append(fault)
    clauses = [_clause(field, of_field) for field, of_field in by_field.items()]
    if len(clauses) > FIELDS_SHOWN:
        clauses[FIELDS_SHOWN:] = [f"and {len(clauses) - FIELDS_SHOWN} fields more"]
    return "; ".join(clauses)


def _field(loc: tuple[str | int, ...]) -> str:
    """The path without pydantic's names of union branches ('item.created', 'tuple[constrained-str, ...]')."""
    parts = [str(part) for part in loc]
    if parts and parts[0] in EVENT_TYPES:
        parts = parts[1:]
    return ".".join(part for part in parts if "constrained-" not in part)


def _clause(field: str, faults: list[Any]) -> str:
    messages = dict.fromkeys(_lowered(fault["msg"]) for fault in faults)
    told = " or ".join(messages).replace(" or should be ", " or ")
    value = faults[0]["input"]
    if faults[0]["type"] in TOO_LONG and hasattr(value, "__len__"):
        told += f" (it has {len(value)})"
    if faults[0]["type"] == "missing":  # the input is the object around it: it says nothing of the field
        return f"{field}: {told}"
    return f"{field}: {told}, not {shown(value)}" if field else f"{told}: {shown(value)}"


def _lowered(message: str) -> str:
    """pydantic's sentence as the rest of one that begins with the field's name."""
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:] if message[1:2].islower() else message
