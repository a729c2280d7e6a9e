"""The committed topics folded: the latest record of each key, and what was wrong with their order on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from glowplug.audit.finding import Finding, digest
from glowplug.errors import shown
from glowplug.events import MARK_KEY
from glowplug.stream.step import Record
from glowplug.stream.versions import SOURCE_HEADER, tombstone_version

TOPICS = ("item_vectors", "user_vectors", "user_profiles", "user_states", "recommendations", "item_stats")
FROM_INPUTS = ("item_vectors", "user_vectors", "user_profiles")  # they carry the source that they come from


class Log:
    """latest: by topic and key. marks: by user partition, the recommender's note in user-states.
    priors: all records of priors and epochs, in their order; an epoch needs those before it.
    records: how many were read."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.latest: dict[str, dict[str, Record]] = {topic: {} for topic in TOPICS}
        self.marks: dict[int, Record] = {}
        self.priors: list[Record] = []
        self.findings: list[Finding] = []
        self.records = 0
        self._versions: dict[tuple[str, str], tuple[str, int]] = {}
        self.add(records)

    def add(self, records: Iterable[Record]) -> None:
        """Records in order per partition."""
        for record in records:
            self.records += 1
            key = _key(record)
            if key is None:
                place = f"{record.topic}/{record.partition}@{record.offset}"
                self.findings.append(Finding("log", place, "key", "an id", shown(record.key)))
                continue
            if key == MARK_KEY:  # one in every partition, so it is no key of the whole topic
                self.marks[record.partition] = record
                continue
            self.latest[record.topic][key] = record
            if record.topic == "item_stats" and (key == "epoch" or key.startswith("prior:")):
                self.priors.append(record)
            self._check_order(key, record)

    def digest(self) -> str:
        """Of what the topics say, however much of them is compacted: tombstones count as nothing."""
        return digest(self._said())

    def _said(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        for topic, table in self.latest.items():
            for key in sorted(table):
                value = table[key].value
                if value is not None:
                    yield topic.encode(), key.encode(), _canonical(value)

    def _check_order(self, key: str, record: Record) -> None:
        """The versions of one key never go back while they come from one input topic."""
        version = _version(record)
        if version is None:
            return
        earlier = self._versions.get((record.topic, key))
        self._versions[record.topic, key] = version
        if earlier is not None and earlier[0] == version[0] and version[1] < earlier[1]:
            name = f"{record.topic} {shown(key)}"
            self.findings.append(
                Finding(
                    "log", name, f"version at offset {record.offset}", f"{earlier[1]} or later", str(version[1])
                )
            )


def _key(record: Record) -> str | None:
    try:
        return record.key.decode("utf-8") if record.key else None
    except UnicodeDecodeError:
        return None


def _version(record: Record) -> tuple[str, int] | None:
    """What the version is of (the input topic's id), and the version; None where the record has none."""
    if record.topic in FROM_INPUTS:
        if record.value is None:
            source = dict(record.headers).get(SOURCE_HEADER, b"").decode("utf-8", "replace")
            version = tombstone_version(record.headers)
            return None if version is None else (source.rsplit("/", 2)[0], version)
        found = _field(record.value, "source")
        if not isinstance(found, dict) or not isinstance(found.get("version"), int):
            return None
        return str(found.get("topic_id", "")), found["version"]
    if record.topic == "item_stats" and record.value is not None:
        epoch = _field(record.value, "epoch")
        return ("epoch", epoch) if isinstance(epoch, int) else None
    return None


def _field(value: bytes, name: str) -> object:
    """What is no JSON object is told by whoever decodes the record."""
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return body.get(name) if isinstance(body, dict) else None


def _canonical(value: bytes) -> bytes:
    try:
        return orjson.dumps(orjson.loads(value), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONDecodeError:
        return value
