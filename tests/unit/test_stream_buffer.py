"""The buffer between poll and batch, and the engine's own account of offsets."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from glowplug.stream.buffer import Buffer
from glowplug.stream.positions import Place, Positions, Watchdog
from tests.support.records import record

HERE = Place("interactions", 0)
THERE = Place("interactions", 1)


def test_a_batch_is_taken_in_the_order_of_arrival() -> None:
    buffer = Buffer(10)
    buffer.add([record(0), record(0, partition=1), record(1)])

    assert [(r.partition, r.offset) for r in buffer.take(2)] == [(0, 0), (1, 0)]
    assert [(r.partition, r.offset) for r in buffer.take(2)] == [(0, 1)]
    assert buffer.take(2) == ()


def test_records_put_back_come_again_first_and_as_the_same_batch() -> None:
    buffer = Buffer(10)
    buffer.add(record(offset) for offset in range(5))
    batch = buffer.take(3)
    buffer.put_back(batch)

    assert buffer.take(1) == batch
    assert [r.offset for r in buffer.take(9)] == [3, 4]


def test_records_of_a_dropped_place_are_gone_from_what_was_put_back_too() -> None:
    buffer = Buffer(10)
    buffer.add([record(0), record(0, partition=1), record(1), record(1, partition=1)])
    buffer.put_back(buffer.take(2))
    buffer.drop(frozenset({HERE}))

    assert [(r.partition, r.offset) for r in (*buffer.take(9), *buffer.take(9))] == [(1, 0), (1, 1)]
    assert buffer.waiting[HERE] == 0


def test_a_full_buffer_has_no_room_and_is_drained_at_half() -> None:
    buffer = Buffer(4)
    buffer.add(record(offset) for offset in range(4))
    assert (buffer.room, buffer.is_drained) == (0, False)
    buffer.take(2)
    assert (buffer.room, buffer.is_drained) == (2, True)


@given(st.lists(st.sampled_from(["add", "take", "put_back", "drop"]), max_size=30))
def test_the_count_of_what_waits_is_always_what_is_there(moves: list[str]) -> None:
    buffer = Buffer(100)
    taken: list[tuple[int, int]] = []
    for number, move in enumerate(moves):
        if move == "add":
            buffer.add([record(number, partition=number % 2)])
        elif move == "take":
            buffer.take(2)
        elif move == "put_back":
            buffer.put_back(buffer.take(1))
        else:
            buffer.drop(frozenset({HERE}))
    waiting = {place: count for place, count in buffer.waiting.items() if count}
    while batch := buffer.take(9):
        taken += [(r.partition, r.offset) for r in batch]
    assert waiting == {Place("interactions", p): n for p, n in Counter(p for p, _ in taken).items()}


def test_a_transaction_sends_what_is_taken_and_not_what_waits() -> None:
    positions = running(HERE, THERE)
    for offset in range(3):
        assert positions.admit(record(offset))
    positions.take([record(0), record(1)])

    assert positions.offsets(Counter({HERE: 1})) == {HERE: 2, THERE: 0}


def test_control_records_behind_the_last_record_are_committed_with_it() -> None:
    positions = running(HERE)
    positions.admit(record(0))
    positions.take([record(0)])
    positions.reach_end(HERE, 2)

    assert positions.offsets(Counter()) == {HERE: 2}


def test_a_batch_that_does_not_commit_leaves_the_offsets_where_they_were() -> None:
    positions = running(HERE)
    positions.admit(record(0))
    positions.take([record(0)])
    positions.put_back()

    assert positions.offsets(Counter({HERE: 1})) == {HERE: 0}


def test_a_record_polled_twice_or_of_a_foreign_place_is_refused() -> None:
    positions = running(HERE)

    assert positions.admit(record(0))
    assert not positions.admit(record(0))
    assert not positions.admit(record(0, partition=1))


def test_an_end_before_what_was_read_means_another_log() -> None:
    positions = running(HERE)
    positions.admit(record(7))

    assert not positions.reach_end(HERE, 3)
    assert positions.reach_end(HERE, 8)


def test_caught_up_needs_the_records_taken_and_not_only_polled() -> None:
    positions = Positions()
    positions.start(HERE, 0, target=3)  # two records and a control record
    positions.admit(record(0))
    positions.admit(record(1))
    positions.reach_end(HERE, 3)
    positions.take([record(0)])
    assert not positions.caught_up(Counter({HERE: 1}))
    positions.take([record(1)])
    assert positions.caught_up(Counter())


def test_lag_counts_what_is_in_the_log_and_in_the_buffer() -> None:
    positions = running(HERE, THERE)
    positions.know_end(HERE, 10)
    for offset in range(4):
        positions.admit(record(offset))

    assert positions.behind(Counter({HERE: 3})) == {"interactions": 6 + 3}


def test_a_partition_with_lag_that_does_not_move_is_stalled_once_in_the_time() -> None:
    positions = running(HERE, THERE)
    positions.know_end(HERE, 10)
    watchdog = Watchdog(60)

    found = [watchdog.stalled(positions.standing(), is_held=False, now=now) for now in (0, 30, 60, 90, 120)]

    assert found == [[], [], [HERE], [], [HERE]]


def test_a_partition_that_moves_or_has_no_lag_or_is_held_is_not_stalled() -> None:
    positions = running(HERE, THERE)
    positions.know_end(HERE, 10)
    watchdog = Watchdog(60)

    assert watchdog.stalled(positions.standing(), is_held=False, now=0) == []
    positions.admit(record(0))
    assert watchdog.stalled(positions.standing(), is_held=False, now=60) == []
    assert watchdog.stalled(positions.standing(), is_held=True, now=120) == []
    assert watchdog.stalled(positions.standing(), is_held=False, now=150) == []


def running(*places: Place) -> Positions:
    positions = Positions()
    for place in places:
        positions.start(place, 0, target=0)
    return positions
