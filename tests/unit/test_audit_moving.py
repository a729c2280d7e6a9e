"""Work in progress is told apart from faults, and excuses nothing but itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glowplug.audit.verify import Report, verify
from tests.support.audited import (
    MIXED,
    Audited,
    X,
    Y,
    Z,
    found,
    only_in_the_log,
    small_world,
)


@pytest.fixture
def world() -> Audited:
    return small_world()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


def moving(report: Report) -> list[str]:
    assert report.differences == ()
    assert report.is_good()
    assert not report.is_good(strict=True)
    return [finding.moving for finding in report.moving]


def test_an_item_that_waits_to_be_matched_is_moving(world: Audited) -> None:
    world.item("new", X, read=False)
    assert set(moving(world.verify())) == {
        "a change of its items waits to be matched, or for the end of the user's window"
    }


def test_a_list_that_waits_for_the_end_of_its_window_is_moving_and_then_right(world: Audited) -> None:
    world.item("first", X)
    world.settle()
    world.item("second", X)
    world.settle()
    assert moving(world.verify())
    world.driver.tick(6)
    world.settle()
    assert world.verify().is_good(strict=True)


def test_an_item_that_waits_excuses_nothing_but_itself(world: Audited) -> None:
    world.item("new", X, read=False)
    world.change("user_states", "ada", lambda state: state | {"published": state["published"][::-1]})
    assert ("user_states ada", "published") in found(only_in_the_log(world))


def test_a_withdrawal_that_waits_is_moving(world: Audited) -> None:
    world.item("mixed", MIXED, available=False, read=False)
    assert "its withdrawal waits to be matched" in moving(world.verify())


def test_a_user_whose_record_waits_is_moving(world: Audited) -> None:
    world.user("new", Y, read=False)
    world.user("ada", Y, read=False)
    assert set(moving(world.verify())) == {"its record in user-vectors waits for the recommender"}


def test_a_history_whose_item_changes_is_moving(world: Audited) -> None:
    world.item("near-y", Z, read=False)  # bo bought it
    assert "near-y of its history changed and waits to be matched" in moving(world.verify())


def test_lists_of_the_epoch_before_are_moving_and_still_checked(world: Audited) -> None:
    world.log = world.log[: world.find("item_stats", "epoch") + 1]
    assert "its list has not moved to the newest epoch" in moving(world.verify())
    world.change("user_states", "bo", lambda state: state | {"published": state["published"][::-1]})
    assert ("user_states bo", "published") in found(only_in_the_log(world))


def test_at_the_end_of_every_transaction_nothing_differs_that_is_not_moving(rng: np.random.Generator) -> None:
    audited = Audited(epoch_minimum=3.0, popularity_full=5.0)
    for step in range(120):
        vector = rng.choice([-0.5, 0.0, 0.5, 0.75], 3).tolist()
        item_id, user_id = f"i{rng.integers(12)}", f"u{rng.integers(4)}"
        match rng.integers(8):
            case 0 | 1:
                audited.item(item_id, vector, seconds=step)
            case 2:
                audited.item(item_id, vector, available=False, seconds=step)
            case 3:
                audited.user(user_id, vector, blocked=[f"i{rng.integers(12)}"], seconds=step)
            case 4:
                audited.leave(user_id)
            case _:
                audited.act(user_id, item_id, str(rng.choice(["like", "dislike", "purchase"])), seconds=step)
        audited.driver.tick(float(rng.integers(4)))
        if step % 3 == 0:  # windows end on time, as far as the grace for them goes
            audited.settle()
    whole = audited.log
    for length, when in audited.commits:
        audited.driver.monotonic = when
        audited.log = whole[:length]
        assert audited.verify().differences == (), length


def test_what_redis_writer_has_not_read_is_moving(world: Audited) -> None:
    values = world.values()
    world.user("new", X)
    world.settle()
    snapshot = world.snapshot(values)
    behind = dict.fromkeys(snapshot.ends, 0)
    committed = {**snapshot.committed, "redis_writer": behind}
    report = verify(replace(snapshot, committed=committed), world.settings)
    assert set(moving(report)) == {"redis_writer has not read its record yet"}


def test_what_was_written_after_the_log_was_read_is_moving(world: Audited) -> None:
    values = world.values()
    values["recs:later"] = {"v": b"id-of-recommendations/0/999", "doc": b"{}"}
    topic, partition, _ = values["item:x"]["v"].decode().rsplit("/", 2)
    values["item:x"]["v"] = f"{topic}/{partition}/999".encode()
    assert set(moving(world.verify(values))) == {"written after the log was read"}
