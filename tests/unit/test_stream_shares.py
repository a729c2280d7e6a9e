"""Which partitions run, and what the step is told of it, over given and taken in any order."""

from __future__ import annotations

from collections import Counter
from typing import cast

import pytest

from glowplug.errors import BadTopics
from glowplug.stream.member import Member
from glowplug.stream.positions import Place, Positions
from glowplug.stream.restore import Restoration
from glowplug.stream.shares import Shares, check_counts
from tests.support.counting import Counting
from tests.support.placing import Placing
from tests.support.records import record

LEFT = frozenset({Place("interactions", 0), Place("interactions", 1)})
RIGHT = frozenset({Place("users", 0), Place("users", 1)})


class Restoring:
    """A restoration that hands out one record and is done at the second turn."""

    def __init__(self, places: frozenset[Place]) -> None:
        self.places = places
        self.numbers = frozenset(place.partition for place in places)
        self.starts = dict.fromkeys(places, 5)
        self.targets = dict.fromkeys(places, 9)
        self.is_done = self.is_closed = False
        self._turns = 0

    def advance(self) -> list[object]:
        self._turns += 1
        self.is_done = self._turns == 2
        return [] if self.is_done else [record(topic="user_states", value=b'{"count": 1}')]

    def close(self) -> None:
        self.is_closed = True


class Bench:
    def __init__(self, inputs: tuple[str, ...] = ("interactions", "users"), *, is_by_number: bool = True) -> None:
        self.step = Counting()
        self.step.inputs = inputs
        if not is_by_number:
            self.step.restores = {}
        self.member = Placing()
        self.positions = Positions()
        self.restorations: list[Restoring] = []
        self.shares = Shares(self.step, self.positions, self._restoration)

    def settle(self, turns: int = 3) -> None:
        for _ in range(turns):
            self.shares.settle(cast("Member", self.member))

    def _restoration(self, places: frozenset[Place]) -> Restoration:
        self.restorations.append(Restoring(places))
        return cast("Restoration", self.restorations[-1])


def test_a_number_runs_once_all_topics_have_it_and_it_is_restored() -> None:
    bench = Bench()
    bench.shares.given(LEFT)
    bench.settle()
    assert (bench.shares.running, bench.step.numbers) == (frozenset(), set())

    bench.shares.given(frozenset({Place("users", 1)}))
    bench.settle(turns=1)
    assert not bench.shares.is_settled
    assert bench.step.restored
    assert not bench.step.numbers
    bench.settle(turns=1)
    assert bench.step.numbers == {1}
    assert bench.shares.running == {Place("interactions", 1), Place("users", 1)}
    assert bench.positions.offsets(waiting=_none()) == {Place("interactions", 1): 5, Place("users", 1): 5}


def test_a_number_stops_when_one_topic_loses_it() -> None:
    bench = Bench()
    bench.shares.given(LEFT | RIGHT)
    bench.settle()

    gone = bench.shares.taken(frozenset({Place("users", 0)}))
    assert gone == {Place("interactions", 0), Place("users", 0)}
    assert bench.step.numbers == {0, 1}, "the step is told between batches only"
    bench.settle(turns=1)
    assert bench.step.numbers == {1}


def test_without_state_by_number_each_partition_runs_by_itself() -> None:
    bench = Bench(is_by_number=False)
    bench.shares.given(frozenset({Place("interactions", 7)}))
    bench.settle()

    assert bench.shares.running == {Place("interactions", 7)}
    assert bench.shares.taken(frozenset({Place("interactions", 7)})) == {Place("interactions", 7)}


def test_what_is_left_of_an_interrupted_restore_is_forgotten_and_restored_anew() -> None:
    bench = Bench(inputs=("interactions",))
    bench.shares.given(LEFT)
    bench.settle(turns=1)
    assert bench.step.counts == {"k": 1}
    bench.shares.taken(frozenset({Place("interactions", 0)}))
    assert bench.restorations[0].is_closed
    bench.settle(turns=1)

    assert [sorted(each.numbers) for each in bench.restorations] == [[0, 1], [1]]
    bench.settle()
    assert bench.step.numbers == {1}


def test_records_of_partitions_that_are_restored_count_as_waiting() -> None:
    bench = Bench(inputs=("interactions",))
    bench.shares.given(LEFT)
    assert bench.shares.waiting() == {}
    bench.settle(turns=1)
    assert bench.shares.waiting() == {"interactions": 2 * (9 - 5)}
    bench.settle()
    assert bench.shares.waiting() == {}


def test_topics_that_have_to_meet_must_have_the_same_number_of_partitions() -> None:
    counts = {"interactions": 6, "users": 6, "user_states": 3}
    step = Counting()
    step.inputs = ("interactions", "users")

    with pytest.raises(BadTopics, match="interactions 6, users 6, user_states 3"):
        check_counts(step, counts)
    step.restores = {}
    check_counts(step, counts)


def _none() -> Counter[Place]:
    return Counter()
