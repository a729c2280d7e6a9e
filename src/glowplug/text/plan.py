"""The values that an embedder's step hands from one stage to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from glowplug.errors import ModelRejected
from glowplug.events import Embedding, Input, ItemUpsert, Source, UserUpsert
from glowplug.stream.step import Record
from glowplug.text.known import Known, Maker
from glowplug.text.statements import Statement
from glowplug.vectors import Half

Upsert = TypeVar("Upsert", ItemUpsert, UserUpsert)
Vectors = Mapping[str, bytes | ModelRejected]  # bytes of float16 (dim,), by content hash


@dataclass(frozen=True, slots=True)
class Folded:
    """A batch's change of state, and what is counted once it is committed."""

    known: Mapping[str, Known]
    stale: int
    saved: int


@dataclass(frozen=True, slots=True)
class Decoded(Generic[Upsert]):
    """upsert: the same event; None where it deletes."""

    id: str
    event: Input
    upsert: Upsert | None


@dataclass(frozen=True, slots=True)
class Made(Generic[Upsert]):
    """One valid input on its way out. vectors: float16 (dim,), one for each statement. deleted: as in `Known`."""

    upsert: Upsert
    statements: tuple[Statement, ...]
    vectors: tuple[Half, ...]
    embedding: Embedding
    source: Source
    listed_at: datetime | None
    deleted: int | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Plan(Generic[Upsert]):
    """A decoded record. A null value has no event, and maybe no version. contents: hashes of the statements."""

    record: Record
    id: str
    version: int | None
    event: Input | None = None
    upsert: Upsert | None = None
    made_by: Maker | None = None
    statements: tuple[Statement, ...] = ()
    contents: tuple[str, ...] = ()
