"""One user of the shard as a value, and its record in user-states."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from glowplug.events import Basis, Claim, HistoryEntry, Scored, Stage, UserProfile, UserState, UserVector
from glowplug.index.items import item_hash
from glowplug.index.retrieve import Hit
from glowplug.ranking.fold import Learned, Part, Pull, Said
from glowplug.ranking.memory import Entry, Memory, weight_of
from glowplug.settings import RankingSettings
from glowplug.text.clean import clean_line
from glowplug.vectors import Half, Vector, pack, unpack

EMPTY = Memory()


@dataclass(frozen=True, slots=True)
class Listed:
    """A user's list. raw: exact top-k before any policy. shown: item ids after them, as the list would go out.
    clock: of the catalogue, when the vector was made."""

    vector: Half
    raw: tuple[Hit, ...]
    shown: tuple[str, ...]
    basis: Basis
    pulls: tuple[Pull, ...]
    stage: Stage
    epoch: int
    kin: tuple[Pull, ...] = ()
    learned: Learned = ""
    clock: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """A list as user-states remembers it: good for as long as nothing that it was made from has changed."""

    vector: Half
    raw: tuple[Hit, ...]
    encoder: str
    epoch: int
    head: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """said: their latest user-vectors record; a user without it waits, and behaviour is kept until they arrive.
    published: item ids of the last event; None where none went out yet. stored: the list of a restored user.
    version: of the last user event folded in, where `said` no longer tells.
    since: when the record of a restored user was written."""

    user_id: str
    partition: int
    said: UserVector | None = None
    profile: UserProfile | None = None
    memory: Memory = EMPTY
    deleted: bool = False
    listed: Listed | None = None
    published: tuple[str, ...] | None = None
    stored: Stored | None = None
    blocked: frozenset[str] = frozenset()
    version: int | None = None
    since: datetime | None = None

    @property
    def is_active(self) -> bool:
        return self.said is not None and not self.deleted

    def with_list(self, listed: Listed | None) -> User:
        """None: the list is to be made anew; what it will be compared with stays."""
        return replace(self, listed=listed, stored=None if listed is not None else self.stored)


def statements(user: User, fingerprint: str, dim: int) -> Said:
    """What the user said, as far as it lies in the vector space `fingerprint` of `dim` dimensions."""
    said, profile = user.said, user.profile
    vector: Half | None = None
    parts: tuple[Part, ...] = ()
    if (
        said is not None
        and said.vector is not None
        and (said.embedding.fingerprint, said.vector.dim) == (fingerprint, dim)
    ):
        vector = unpack(said.vector)
        parts = tuple(
            Part(part.field, part.text, part.weight, unpack(part.vector))
            for part in said.parts
            if part.vector.dim == dim
        )
    inferred = avoid = None
    claims: tuple[Part, ...] = ()
    is_refusal = False
    if profile is not None and profile.embedding is not None and profile.embedding.fingerprint == fingerprint:
        inferred = _unpacked(profile.vector, dim)
        avoid = _unpacked(profile.avoid_vector, dim)
        claims = tuple(
            Part(claim.evidence.field, claim.label, claim.weight, row)
            for claim in named_claims(profile)
            if (row := _unpacked(claim.vector, dim)) is not None
        )
        counting = tuple(replace(part, weight=0.0) if _is_refusal(part, profile) else part for part in parts)
        is_refusal = bool(parts) and not any(part.weight for part in counting)
        if not is_refusal:
            parts = counting
        elif inferred is not None:
            parts, vector, is_refusal = counting, None, False
    return Said(vector, parts, inferred, claims, avoid, is_refusal, said.attributes if said is not None else {})


def named_claims(profile: UserProfile) -> tuple[Claim, ...]:
    """The interests that an explanation can name, in the order of Said.claims."""
    return tuple(claim for claim in profile.interests if claim.vector is not None)


def _is_refusal(part: Part, profile: UserProfile) -> bool:
    """The statement only says what the user does not want: as words it would pull towards just that."""
    liked = (*profile.interests, *profile.preferences)
    return _bears(part, profile.avoid) and not _bears(part, liked)


def _bears(part: Part, claims: Sequence[Claim]) -> bool:
    """Some claim rests on words of the statement."""
    return any(
        claim.evidence.field.partition(".")[0] == part.field and clean_line(claim.evidence.text) in part.text
        for claim in claims
    )


def to_state(user: User, encoder: str, now: datetime, head: str = "") -> UserState:
    """The record of user-states. Of a deleted user it keeps the fact and the version, and nothing else."""
    if user.deleted:
        return UserState(user_id=user.user_id, status="deleted", version=user.version, updated_at=now)
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
        head=head if listed else "",
        epoch=listed.epoch if listed else 0,
        version=user.said.source.version if user.said else user.version,
        updated_at=now,
    )


def from_state(record: UserState, partition: int, settings: RankingSettings) -> User:
    """The user as the record remembers them. What they said is in user-vectors; the list has to be checked."""
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
    stored = None
    if record.vector is not None and record.stage is not None:
        raw = tuple(Hit(hit.item_id, hit.score) for hit in record.raw)
        stored = Stored(unpack(record.vector), raw, record.encoder, record.epoch, record.head)
    return User(
        user_id=record.user_id,
        partition=partition,
        memory=Memory(history, hashes, record.evidence),
        deleted=record.status == "deleted",
        published=record.published if record.stage is not None else None,
        stored=stored,
        version=record.version,
        since=record.updated_at,
    )


def _unpacked(vector: Vector | None, dim: int) -> Half | None:
    return unpack(vector) if vector is not None and vector.dim == dim else None
