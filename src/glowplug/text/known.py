"""What an embedder remembers of the ids it has seen, and when an input is too late. Pure."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

import orjson

from glowplug.events import Embedding, Source
from glowplug.stream.step import Record

Maker = tuple[str, str]  # fingerprint of the model, hash of the template


class Applied(Protocol):
    """version: of the input applied last. made_by: what made the output from it; None: it is deleted."""

    @property
    def version(self) -> int: ...
    @property
    def made_by(self) -> Maker | None: ...


Remembered = TypeVar("Remembered", bound=Applied)


@dataclass(frozen=True, slots=True)
class Known:
    """One id, as `Applied`.

    vectors:   bytes of float16 (dim,), by content hash.
    listed_at: of items, so that an update without it does not make an old item fresh.
    said:      `said_in` the record published last; empty where it is not known.
    deleted:   version of the latest delete, this one included; None where there was none.
    """

    version: int
    made_by: Maker | None
    vectors: Mapping[str, bytes] = field(default_factory=dict)
    listed_at: datetime | None = None
    said: bytes = b""
    deleted: int | None = None


class Recalled(NamedTuple):
    """What an earlier output says. vectors, listed_at, deleted: as in `Known`."""

    source: Source
    embedding: Embedding
    vectors: Mapping[str, bytes]
    listed_at: datetime | None = None
    deleted: int | None = None


def fold_output(
    known: MutableMapping[str, Remembered], records: Sequence[Record], said: Callable[[Record], Remembered | None]
) -> None:
    """Fold a consumer's own output into `known`, once more at every assignment: a version never goes back.

    said: what a record says; None: nothing.
    """
    for record in records:
        found = said(record)
        if found is None or record.key is None:
            continue
        key = record.key.decode()
        before = known.get(key)
        if before is None or found.version >= before.version:
            known[key] = found


def is_stale(known: Applied | None, version: int | None, made_by: Maker | None) -> bool:
    """Whether an input is late, or a repeat, where `known` was applied already.

    version: of the input; None: a null value without one, which deletes what is known and is there.
    made_by: what would make its output; None: it deletes. The same version with another maker is no repeat.
    """
    if known is None:
        return False
    if version is None:
        return known.made_by is None
    if version == known.version and made_by is not None and known.made_by is not None:
        return made_by == known.made_by
    return version <= known.version


def said_in(value: bytes) -> bytes:
    """Hash, 8 bytes, of all that is the same in the record of an event and in that of the same event sent again.

    value: JSON of the record, with a `source`.
    """
    body = orjson.loads(value)
    body.pop("generated_at", None)
    for place in ("partition", "offset", "version"):
        body["source"].pop(place, None)
    return hashlib.blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=8).digest()


def maker(embedding: Embedding) -> Maker:
    """Interned: a million ids share a handful of these."""
    return sys.intern(embedding.fingerprint), sys.intern(embedding.template)
