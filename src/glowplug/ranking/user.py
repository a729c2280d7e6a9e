"""One user of the shard as a value, and its record in user-states."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from glowplug.events import Basis, HistoryEntry, Scored, Stage, UserProfile, UserState, UserVector
from glowplug.index.items import item_hash
from glowplug.index.retrieve import Hit
from glowplug.ranking.fold import Part, Pull, Said
from glowplug.ranking.memory import Entry, Memory, weight_of
from glowplug.settings import RankingSettings
from glowplug.vectors import Half, Vector, pack, unpack

EMPTY = Memory()


@dataclass(frozen=True, slots=True)
class Listed:
    """A user's list. raw: exact top-k before any policy. shown: item ids after them, as the list would go out."""

    vector: Half
    raw: tuple[Hit, ...]
    shown: tuple[str, ...]
    basis: Basis
    pulls: tuple[Pull, ...]
    stage: Stage
    epoch: int


@dataclass(frozen=True, slots=True)
class User:
    """said: their latest user-vectors record; a user without it waits, and behaviour is kept until they arrive.
    published: item ids of the last event; None where none went out yet."""

    user_id: str
    partition: int
    said: UserVector | None = None
    profile: UserProfile | None = None
    memory: Memory = EMPTY
    deleted: bool = False
    listed: Listed | None = None
    published: tuple[str, ...] | None = None
    blocked: frozenset[str] = frozenset()

    @property
    def is_active(self) -> bool:
        return self.said is not None and not self.deleted


def statements(user: User, fingerprint: str) -> Said:
    """What the user said, as far as it lies in the vector space `fingerprint`."""
    said, profile = user.said, user.profile
    vector: Half | None = None
    parts: tuple[Part, ...] = ()
    if said is not None and said.vector is not None and said.embedding.fingerprint == fingerprint:
        vector = unpack(said.vector)
        parts = tuple(Part(part.field, part.text, part.weight, unpack(part.vector)) for part in said.parts)
    inferred = avoid = None
    if profile is not None and profile.embedding is not None and profile.embedding.fingerprint == fingerprint:
        inferred = _unpacked(profile.vector)
        avoid = _unpacked(profile.avoid_vector)
    return Said(vector, parts, inferred, avoid)


def to_state(user: User, encoder: str, now: datetime) -> UserState:
    """The record of user-states. Of a deleted user it keeps the fact and nothing else."""
    if user.deleted:
        return UserState(user_id=user.user_id, status="deleted", updated_at=now)
    listed = user.listed
    return UserState(
        user_id=user.user_id,
        status="active" if user.is_active else "waiting",
        history=tuple(
            HistoryEntry(
                item_id=entry.item_id,
                action=entry.action,
                value=entry.value,
                event_id=entry.event_hash,
                event_time=entry.event_time,
            )
            for entry in user.memory.history
        ),
        seen=base64.b64encode(np.array(list(user.memory.seen), "<u8").tobytes()).decode("ascii"),
        evidence=user.memory.evidence,
        vector=pack(listed.vector) if listed else None,
        raw=tuple(Scored(item_id=hit.item_id, score=hit.score) for hit in listed.raw) if listed else (),
        published=user.published or (),
        stage=listed.stage if listed else None,
        encoder=encoder if listed else "",
        epoch=listed.epoch if listed else 0,
        version=user.said.source.version if user.said else None,
        updated_at=now,
    )


def from_state(record: UserState, partition: int, settings: RankingSettings) -> User:
    """The user as the record remembers them; what they said comes from user-vectors, and the list is made anew."""
    history = tuple(
        Entry(
            entry.item_id,
            entry.action,
            entry.value,
            weight_of(entry.action, entry.value, settings),
            entry.event_id,
            entry.event_time,
        )
        for entry in record.history
    )
    seen = np.frombuffer(base64.b64decode(record.seen), "<u8")
    hashes: dict[int, None] = dict.fromkeys(map(int, seen))
    hashes.update(dict.fromkeys(item_hash(entry.item_id) for entry in history))
    return User(
        user_id=record.user_id,
        partition=partition,
        memory=Memory(history, hashes, record.evidence),
        deleted=record.status == "deleted",
        published=record.published if record.stage is not None else None,
    )


def _unpacked(vector: Vector | None) -> Half | None:
    return unpack(vector) if vector is not None else None
