"""Redis against the fold of item-vectors, user-states and recommendations: values, versions, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from glowplug.audit.finding import Finding, Pair, digest
from glowplug.audit.snapshot import Snapshot
from glowplug.audit.world import World
from glowplug.errors import shown
from glowplug.serving import documents
from glowplug.serving.redis_store import BEGUN
from glowplug.serving.store import VERSION_FIELD
from glowplug.stream.positions import Place
from glowplug.stream.step import Record

WRITER = "redis_writer"
TOPICS = ("item_vectors", "user_states", "recommendations")
READ: Mapping[str, Callable[[documents.Fields], documents.Fields]] = {
    "item": lambda fields: documents.item_fields(documents.item_in(fields)),
    "user": lambda fields: documents.user_fields(documents.user_in(fields)),
    "recs": lambda fields: documents.recommendations_fields(documents.recommendations_in(fields)),
}


class Version(NamedTuple):
    """As fold.lua writes it."""

    topic_id: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic_id}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Expected:
    """fields: None where the log says that the value is gone."""

    record: Record
    version: Version
    fields: documents.Fields | None


@dataclass(frozen=True, slots=True)
class ValueAudit:
    findings: tuple[Finding, ...]
    pair: Pair
    values: int


def audit_values(world: World) -> ValueAudit:
    snapshot = world.snapshot
    expected = _fold(world)
    findings = [*_marker_findings(snapshot)]
    for key, value in expected.items():
        findings += _compared(snapshot, key, value)
    findings += _extra(snapshot, expected)
    held = {
        key: fields
        for key, fields in snapshot.values.items()
        if key != BEGUN and fields is not None and not _is_tombstone(fields)
    }
    due = {key: value for key, value in expected.items() if value.fields is not None}
    pair = Pair(
        "values: the fold of the topics and Redis",
        _digest((key, str(value.version).encode(), value.fields or {}) for key, value in due.items()),
        _digest(
            (key, fields.get(VERSION_FIELD, b""), _as_read(key, _without_version(fields)))
            for key, fields in held.items()
        ),
    )
    return ValueAudit(tuple(findings), pair, len(due))


def _fold(world: World) -> dict[str, Expected]:
    fold: dict[str, Expected] = {}

    def put(key: str, record: Record, fields: documents.Fields | None) -> None:
        version = Version(world.snapshot.topic_id(record.topic), record.partition, record.offset)
        fold[key] = Expected(record, version, fields)

    for item_id, item in world.items.items():
        put(documents.item_key(item_id), item.record, documents.item_fields(item.value) if item.value else None)
    for user_id, state in world.states.items():
        is_gone = state.value is None or state.value.status == "deleted"
        fields = None if is_gone or state.value is None else documents.user_fields(state.value)
        put(documents.user_key(user_id), state.record, fields)
    for user_id, listed in world.listed.items():
        fields = documents.recommendations_fields(listed.value) if listed.value is not None else None
        put(documents.recommendations_key(user_id), listed.record, fields)
    return fold


def _marker_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """redis_writer marks each partition that it has folded from its beginning; a wipe takes the marks with it."""
    marked = set(snapshot.values.get(BEGUN) or {})
    for place, committed in sorted(snapshot.committed.get(WRITER, {}).items()):
        name = f"{snapshot.topic_id(place.topic)}/{place.partition}"
        if place.topic in TOPICS and committed > 0 and name not in marked and _holds_records(snapshot, place):
            what = f"mark of {place.topic}/{place.partition}"
            yield Finding("redis", BEGUN, what, "set, as redis_writer has read records of it", "nothing")


def _holds_records(snapshot: Snapshot, place: Place) -> bool:
    """The group's offset counts control records too: only a record that was read sets a mark."""
    return any(
        record.partition == place.partition and not snapshot.awaits(WRITER, record)
        for record in snapshot.log.latest[place.topic].values()
    )


def _compared(snapshot: Snapshot, key: str, value: Expected) -> Iterator[Finding]:
    fields = snapshot.values.get(key)
    if key in snapshot.values and fields is None:
        yield Finding("redis", shown(key), "type", "a hash", "something else")
        return
    held = _version_of(fields)
    if held is not None and held[:2] == value.version[:2] and held.offset > value.version.offset:
        moving = "" if held.offset < snapshot.ends.get(_place(value), 0) else "written after the log was read"
        yield Finding("redis", shown(key), "version", str(value.version), str(held), moving)
        return
    moving = "redis_writer has not read its record yet" if snapshot.awaits(WRITER, value.record) else ""
    is_gone = fields is None or _is_tombstone(fields)
    if value.fields is None:
        if not is_gone:
            yield Finding("redis", shown(key), "value", "nothing: deleted in the log", f"version {held}", moving)
    elif fields is None or is_gone:
        yield Finding("redis", shown(key), "value", f"version {value.version}", "nothing", moving)
    elif held != value.version:
        text = str(held) if held is not None else shown(fields.get(VERSION_FIELD, b""))
        yield Finding("redis", shown(key), "version", str(value.version), text, moving)
    else:
        found = _as_read(key, _without_version(fields))
        yield from (
            Finding("redis", shown(key), what, one, other) for what, one, other in _differing(value.fields, found)
        )


def _extra(snapshot: Snapshot, expected: Mapping[str, Expected]) -> Iterator[Finding]:
    for key in sorted(snapshot.values.keys() - expected.keys() - {BEGUN}):
        fields = snapshot.values[key]
        if fields is not None and _is_tombstone(fields):
            continue  # what was deleted leaves its version for a day
        held = _version_of(fields)
        place = _place_of(snapshot, held)
        moving = ""
        if held is not None and place is not None:
            if held.offset >= snapshot.ends.get(place, 0):
                moving = "written after the log was read"
            elif held.offset < snapshot.begins.get(place, 0):
                moving = "its record is no longer in the log"
        yield Finding("redis", shown(key), "value", "nothing: no record names it", _told(fields, held), moving)


def _told(fields: Mapping[str, bytes] | None, held: Version | None) -> str:
    if fields is None:
        return "something that is no hash"
    return f"version {held}" if held is not None else f"a hash of {', '.join(sorted(map(shown, fields)))}"


def _place(value: Expected) -> Place:
    return Place(value.record.topic, value.record.partition)


def _place_of(snapshot: Snapshot, version: Version | None) -> Place | None:
    if version is None:
        return None
    topic = next((topic for topic in TOPICS if snapshot.topic_id(topic) == version.topic_id), None)
    return Place(topic, version.partition) if topic is not None else None


def _version_of(fields: Mapping[str, bytes] | None) -> Version | None:
    """None where there is none, or none that fold.lua writes."""
    parts = (fields or {}).get(VERSION_FIELD, b"").decode("utf-8", "replace").rsplit("/", 2)
    if len(parts) != 3 or not parts[1].isdecimal() or not parts[2].isdecimal():
        return None
    return Version(parts[0], int(parts[1]), int(parts[2]))


def _is_tombstone(fields: Mapping[str, bytes]) -> bool:
    return set(fields) == {VERSION_FIELD}


def _without_version(fields: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: value for name, value in fields.items() if name != VERSION_FIELD}


def _as_read(key: str, fields: Mapping[str, bytes]) -> documents.Fields:
    """As a reader of the contract understands them, so that what an earlier version wrote with fewer fields is
    equal; as they are where nobody could read them."""
    try:
        return {name: fields[name] for name in fields if name not in ("doc", "vector")} | dict(
            READ[key.partition(":")[0]](fields)
        )
    except (KeyError, ValueError):
        return fields


def _differing(expected: documents.Fields, found: documents.Fields) -> Iterator[tuple[str, str, str]]:
    """(what, expected, found) for each field that differs; within a document, for each of its fields."""
    for name in sorted({*expected, *found}):
        one, other = expected.get(name), found.get(name)
        if one == other:
            continue
        inside = _objects(one, other) if name == "doc" else None
        if inside is None:
            yield name, _bytes(one), _bytes(other)
            continue
        for field in sorted({*inside[0], *inside[1]}):
            left, right = inside[0].get(field), inside[1].get(field)
            if left != right:
                yield f"doc.{shown(field)}", shown(left), shown(right)


def _objects(one: bytes | None, other: bytes | None) -> tuple[dict[str, object], dict[str, object]] | None:
    try:
        left, right = orjson.loads(one or b""), orjson.loads(other or b"")
    except orjson.JSONDecodeError:
        return None
    return (left, right) if isinstance(left, dict) and isinstance(right, dict) and left != right else None


def _bytes(value: bytes | None) -> str:
    return "nothing" if value is None else shown(value)


def _digest(rows: Iterable[tuple[str, bytes, documents.Fields]]) -> str:
    ordered = sorted(rows, key=lambda row: row[0])
    return digest(
        (key.encode(), version, *(part for name in sorted(fields) for part in (name.encode(), fields[name])))
        for key, version, fields in ordered
    )
