"""Redis against the last committed record of each key, without the code that writes or audits it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from glowplug.stream.step import Record
from tests.faults.oracle.history import History, Violation, said

# topic: (prefix of the key, fields that are not in the document)
STORED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "item_vectors": ("item", ("vector", "description")),
    "user_states": ("user", ("vector", "seen", "raw")),
    "recommendations": ("recs", ()),
}


def stored(history: History) -> Iterator[Violation]:
    expected: set[str] = set()
    for topic, (prefix, left_out) in STORED.items():
        for name, records in history.by_key(topic).items():
            key = f"{prefix}:{name}"
            expected.add(key)
            value = said(records[-1])
            if value is not None and value.get("status") == "deleted":
                value = None
            found = _fault(history, records[-1], value, history.values.get(key), left_out)
            if found:
                yield Violation("redis", key, found)
    for key in sorted(history.values.keys() - expected):
        if key.partition(":")[0] in ("item", "user", "recs"):
            yield Violation("redis", key, "there, and no record names it")


def _fault(
    history: History,
    record: Record,
    value: dict[str, Any] | None,
    fields: Mapping[str, bytes] | None,
    left_out: tuple[str, ...],
) -> str:
    """Empty where the hash says what the record says."""
    if fields is None:
        return "missing" if value is not None else ""
    version = f"{history.topic_ids.get(record.topic)}/{record.partition}/{record.offset}"
    if fields.get("v", b"").decode() != version:
        return f"of version {fields.get('v', b'').decode()}, the log's last is {version}"
    if value is None:
        return "" if set(fields) == {"v"} else "there, and deleted in the log"
    document = {
        name: each
        for name, each in orjson.loads(fields.get("doc", b"{}")).items()
        if each is not None and not (name in left_out and each == "")
    }
    wanted = {name: each for name, each in value.items() if each is not None and name not in left_out}
    if document != wanted:
        differing = sorted(name for name in {*document, *wanted} if document.get(name) != wanted.get(name))
        return f"other {', '.join(differing)} than in the log"
    if "vector" in left_out and value["vector"] is not None:
        return "" if fields.get("vector") == base64.b64decode(value["vector"]["data"]) else "another vector"
    return ""
