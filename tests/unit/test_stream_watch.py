"""What stands still with lag is got on: inputs from where they stand, tables and restores with new clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import pytest

from glowplug.observe import metrics
from glowplug.stream.member import Member
from glowplug.stream.offsets import Offsets
from glowplug.stream.positions import Place, Positions, Standing
from glowplug.stream.reader import ClientsLost, Reader
from glowplug.stream.step import Record
from glowplug.stream.tables import Tables
from glowplug.stream.watch import Watch
from tests.support.placing import Placing

INPUT, TABLE = Place("interactions", 0), Place("item_vectors", 0)
STALL_S = 60.0


class Telling:
    """A broker that tells these ends, and offsets, at once."""

    is_answered = True

    def __init__(self, ends: Mapping[Place, int]) -> None:
        self.ends = ends

    def ask_readable(self, _: Iterable[Place]) -> Telling:
        return self

    def answer(self) -> Mapping[Place, int]:
        return self.ends

    def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        return dict.fromkeys(places, 0)


class Hanging:
    """A reader that gets nothing but what it is given."""

    def __init__(self) -> None:
        self.position: dict[Place, int] = {}
        self.coming: list[Record] = []

    def read(self, starts: Mapping[Place, int]) -> None:
        self.position.update(starts)

    def known_end(self, _: Place) -> int:
        return 0

    def leave(self, places: Iterable[Place]) -> None:
        for place in places:
            del self.position[place]

    def poll(self, most: int, wait_s: float) -> list[Record]:  # noqa: ARG002  a reader's
        records, self.coming = self.coming, []
        for record in records:
            self.position[TABLE] = record.offset + 1
        return records


class Bench:
    """A watch over one input that has no lag, and over a table that the broker says has ten records."""

    def __init__(self, capacity: int = 10, name: str = "watched") -> None:
        self.broker, self.reader, self.member = Telling({TABLE: 10}), Hanging(), Placing()
        self.tables = Tables({"item_vectors": "tail"}, {"item_vectors": 1}, capacity)
        self.tables.open(cast("Reader", self.reader), cast("Offsets", self.broker))
        self.positions = Positions()
        self.positions.start(INPUT, 5, target=5)
        self._watch = Watch(name, STALL_S, cast("Offsets", self.broker), self.tables)

    def look(self, now: float, restoring: Mapping[Place, Standing] | None = None, *, is_busy: bool = False) -> bool:
        member = cast("Member", self.member)
        return self._watch.look(self.positions, member, restoring or {}, is_held=False, is_busy=is_busy, now=now)

    def arrive(self, offset: int) -> None:
        self.reader.coming.append(Record("item_vectors", 0, offset, 0, b"a", b"{}"))
        self.tables.poll()


def test_a_stalled_partition_is_read_on_from_where_it_stands() -> None:
    bench = Bench(name="stalling")
    bench.broker.ends = {INPUT: 9}
    looks = [bench.look(now) for now in (0.0, 0.1, 59.0, 120.0)]
    assert looks == [True, False, True, True]
    assert bench.member.placed == [{INPUT: 5}]
    assert metrics.stalls.labels("stalling")._value.get() == 1


def test_a_partition_that_stands_still_although_it_was_read_on_is_read_by_new_clients() -> None:
    bench = Bench()
    bench.broker.ends = {INPUT: 9}
    for now in (0, 1, 61):
        bench.look(now)
    with pytest.raises(ClientsLost, match="interactions, partition 0: 5 of 9"):
        bench.look(122)
    assert bench.member.placed == [{INPUT: 5}]


def test_a_table_that_stands_still_below_what_the_broker_has_is_read_by_new_clients() -> None:
    bench = Bench()
    bench.arrive(3)
    bench.look(0)
    bench.look(1)
    with pytest.raises(ClientsLost, match="item_vectors, partition 0: 4 of 10"):
        bench.look(61)


def test_a_table_that_moves_or_is_read_to_its_end_is_left_alone() -> None:
    bench = Bench()
    for now, offset in ((0, 3), (50, 4), (100, 9), (200, 9)):
        bench.arrive(offset)
        assert bench.look(now)


@pytest.mark.parametrize("why", ["busy", "full"])
def test_a_table_that_waits_for_us_does_not_stand_still(why: str) -> None:
    bench = Bench(capacity=1 if why == "full" else 10)
    bench.arrive(3)
    for now in (0, 1, 61, 122):
        assert bench.look(now, is_busy=why == "busy")


@pytest.mark.parametrize("standing", [Standing(2, 7), Standing(-1, 0)])
def test_a_restore_that_stands_still_is_begun_anew_by_new_clients(standing: Standing) -> None:
    bench = Bench()
    bench.arrive(9)
    here = Place("user_states", 1)
    assert bench.look(0, {here: standing})
    with pytest.raises(ClientsLost, match=f"user_states, partition 1: {standing}"):
        bench.look(61, {here: standing})


def test_lag_of_a_table_counts_what_only_the_broker_knows_of() -> None:
    bench = Bench()
    bench.arrive(3)
    bench.tables.take()
    bench.look(0)
    bench.look(2)
    assert bench.tables.behind() == {"item_vectors": 6}
