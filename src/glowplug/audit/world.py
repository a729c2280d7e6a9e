"""The log's final state as the recommender would restore it, and lists made anew from it by the same code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from glowplug.audit.finding import Finding
from glowplug.audit.snapshot import Snapshot
from glowplug.errors import Poison, shown
from glowplug.events import (
    MARK_KEY,
    Event,
    ItemVector,
    Recommendations,
    UserMark,
    UserState,
)
from glowplug.heads.following import Following
from glowplug.ranking.fold_with_head import WithHead
from glowplug.ranking.lists import Lists
from glowplug.ranking.priors import Priors
from glowplug.ranking.restore import PROFILE, STATE, VECTOR, Remembered
from glowplug.ranking.tables import Tables
from glowplug.ranking.user import User
from glowplug.settings import RankingSettings
from glowplug.stream.decode import Tombstone, decode
from glowplug.stream.step import Record

E = TypeVar("E", bound=Event)
RECOMMENDER = "recommender"
ITEM: TypeAdapter[ItemVector] = TypeAdapter(ItemVector)
LIST: TypeAdapter[Recommendations] = TypeAdapter(Recommendations)


@dataclass(frozen=True, slots=True)
class Latest(Generic[E]):
    """The latest record of a key. value: None where it is a tombstone."""

    record: Record
    value: E | None


class World:
    """items, said, profiles, states, listed: by id, the latest record of each topic.
    marks: by user partition and then by partition of item-vectors, before which offset items are in the lists.
    refusal: why the promoted head cannot be used, so that lists are made without; empty where all is well.
    lists: of the newest epoch; before: of the one before it, None where the log no longer has it."""

    def __init__(self, snapshot: Snapshot, settings: RankingSettings) -> None:
        """The head that serves is the one in ranking.heads."""
        self.snapshot = snapshot
        self.settings = settings
        self.findings: list[Finding] = []
        log = snapshot.log.latest
        self.items = self._decoded(log["item_vectors"], ITEM, lambda item: item.item_id)
        self.said = self._decoded(log["user_vectors"], VECTOR, lambda said: said.user_id)
        self.profiles = self._decoded(log["user_profiles"], PROFILE, lambda profile: profile.user_id)
        self.listed = self._decoded(log["recommendations"], LIST, lambda listed: listed.user_id)
        states = self._decoded(log["user_states"], STATE, _state_id)
        self.states: dict[str, Latest[UserState]] = {
            key: Latest(latest.record, latest.value)
            for key, latest in states.items()
            if not isinstance(latest.value, UserMark)
        }
        heads = Following(settings.heads)
        self.tables = _tables(snapshot, settings, [latest.record for latest in self.items.values()], heads)
        self.refusal = heads.refusal
        self.marks = self._marks()
        self.lists = Lists(self.tables.catalogue, self.tables.priors, WithHead(settings), settings)
        self.before = self._earlier_lists()
        self._users = self._restored()

    @property
    def epoch(self) -> int:
        return self.tables.priors.current.epoch

    @property
    def user_ids(self) -> list[str]:
        return sorted({*self.said, *self.states, *self.listed})

    def user(self, user_id: str) -> User | None:
        """As a recommender would restore them; None where user-states does not know them."""
        state = self.states.get(user_id)
        return self._users.get(user_id) if state is not None and state.value is not None else None

    def waits(self, item_id: str, partition: int) -> bool:
        """The item's latest change may not be in the lists of the user partition yet."""
        latest = self.items.get(item_id)
        if latest is None:
            return False
        mark = self.marks.get(partition)
        return mark is None or latest.record.offset >= mark.get(latest.record.partition, 0)

    def unfolded(self, user_id: str) -> str:
        """What the recommender may still have to read of this user; empty where it has read everything."""
        said, state, profile = self.said.get(user_id), self.states.get(user_id), self.profiles.get(user_id)
        if said is not None and self.snapshot.awaits(RECOMMENDER, said.record):
            folded = state.value.version if state is not None and state.value is not None else None
            if said.value is None or said.value.source.version != folded:
                return "its record in user-vectors waits for the recommender"
        if profile is None:
            return ""
        if profile.value is not None and profile.value.state == "pending":
            return "its profile is being written"
        knows = self.snapshot.is_known(RECOMMENDER)
        if knows and self.snapshot.awaits(RECOMMENDER, profile.record):
            return "its profile waits for the recommender"
        return ""

    def _earlier_lists(self) -> Lists | None:
        previous = self.tables.priors.previous
        if previous is None:
            return None
        priors = Priors(self.settings)
        priors.current = previous
        return Lists(self.tables.catalogue, priors, WithHead(self.settings), self.settings)

    def _restored(self) -> dict[str, User]:
        remembered = Remembered(self.settings)
        records = [latest.record for table in (self.states, self.said, self.profiles) for latest in table.values()]
        for record in records:
            try:
                remembered.read([record])
            except ValueError as error:  # what is inside base64 is not checked by the contract
                self._cannot_read(record, str(error))
        return {user.user_id: user for user, _ in remembered.take({record.partition for record in records})}

    def _marks(self) -> dict[int, dict[int, int]]:
        marks: dict[int, dict[int, int]] = {}
        for partition, record in self.snapshot.log.marks.items():
            latest = self._decoded({MARK_KEY: record}, STATE, _state_id).get(MARK_KEY)
            rules = self.tables.rules.fingerprint
            if latest is not None and isinstance(latest.value, UserMark) and latest.value.rules == rules:
                marks[partition] = {int(number): offset for number, offset in latest.value.matched.items()}
        return marks

    def _decoded(
        self, records: Mapping[str, Record], adapter: TypeAdapter[E], id_of: Callable[[E], str]
    ) -> dict[str, Latest[E]]:
        """What cannot be decoded is a finding, and left out."""
        found: dict[str, Latest[E]] = {}
        for key, record in records.items():
            try:
                value = decode(record, adapter, id_of)
            except Poison as error:
                self._cannot_read(record, str(error))
                continue
            found[key] = Latest(record, None if isinstance(value, Tombstone) else value)
        return found

    def _cannot_read(self, record: Record, why: str) -> None:
        key = shown((record.key or b"").decode("utf-8", "replace"))
        what = f"value at offset {record.offset}"
        self.findings.append(Finding("log", f"{record.topic} {key}", what, "an event of the contract", why))


def _tables(snapshot: Snapshot, settings: RankingSettings, items: list[Record], heads: Following) -> Tables:
    """Items and priors as every recommender reads them, at the newest epoch that the log tells of."""
    tables = Tables(settings)
    priors = tables.priors
    for record in snapshot.log.priors:
        tables.absorb([record], ())
        if priors.newest is not priors.current:
            priors.settle()  # nobody reads an older epoch than the one before the newest
            priors.advance()
    tables.absorb(items, ())
    catalogue = tables.catalogue
    if catalogue.outgrown:
        catalogue.rebuild(priors)
    heads.open()
    heads.catch_up(catalogue)
    switch = heads.take()
    if switch is not None:
        catalogue.rebuild(priors, switch.head, switch.blocks)
    return tables


def _state_id(value: Any) -> str:
    return MARK_KEY if isinstance(value, UserMark) else str(value.user_id)
