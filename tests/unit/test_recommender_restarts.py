"""What comes back after a restart, a rebalance, or with another encoder."""

from __future__ import annotations

import pytest

from consumers.recommender import Recommender
from glowplug.ranking.changes import At
from glowplug.ranking.mark import Mark
from glowplug.ranking.restore import changes_since
from glowplug.ranking.state import State
from glowplug.settings import load
from glowplug.stream.step import Record
from tests.support.drive import Driver
from tests.support.events import item_vector, source, user_vector
from tests.support.recommending import (
    NEAR_X,
    X,
    Y,
    Z,
    act,
    ids,
    item,
    log_of,
    put_items,
    recommender,
    restarted,
    sent,
    user,
)


def test_after_a_restart_no_list_is_made_anew_and_only_items_past_the_mark_are_matched() -> None:
    before = recommender()
    items = {"a": X, "b": Y, "c": NEAR_X}
    put_items(before, **items)
    user(before, "u", X)
    user(before, "v", Y)
    act(before, "u", "a")
    item(before, "d", Z)
    before.settle()
    assert before.latest("user_states")["\0mark"]["matched"] == {"0": 4}
    after = restarted(before, {**items, "d": Z, "e": [1.0, 0.0, 0.0625]}, {"u": X, "v": Y})
    after.feed()
    assert [(key, value["reason"], value["covers"]) for key, value in after.values("recommendations")] == [
        ("u", "item.created", ["e-e"]),
    ]
    assert after.step.due() is None
    assert ids(after, "u") == ["e", "c", "b"]
    act(after, "u", "e")
    assert len(after.latest("user_states")["u"]["history"]) == 2


def test_the_mark_does_not_pass_an_item_that_waits_in_a_window() -> None:
    before = recommender()
    items = {"a": X}
    put_items(before, **items)
    user(before, "u", X)
    for name in ("b", "c"):
        item(before, name, NEAR_X)
        before.settle()
    assert before.latest("user_states")["\0mark"]["matched"] == {"0": 2}
    assert ids(before, "u") == ["a", "b"]
    after = restarted(before, {"a": X, "b": NEAR_X, "c": NEAR_X}, {"u": X})
    after.settle()
    assert ids(after, "u") == ["a", "b", "c"]
    assert after.latest("user_states")["\0mark"]["matched"] == {"0": 3}


def test_an_item_that_waits_in_a_window_is_not_announced_again_by_who_takes_over() -> None:
    before = recommender()
    put_items(before, a=X)
    user(before, "u", X)
    for name in ("b", "c"):
        item(before, name, NEAR_X)
        before.settle()
    assert [value["covers"] for key, value in before.values("item_audiences") if key == "c"] == [["e-c"]]
    mark = before.latest("user_states")["\0mark"]
    assert (mark["matched"], mark["announced"]) == ({"0": 2}, {"0": 3})
    after = restarted(before, {"a": X, "b": NEAR_X, "c": NEAR_X}, {"u": X})
    item(after, "c", [0.875, 0.3125, 0.0], event_id="c-again")  # joins the change that is to be matched once more
    after.settle()
    assert [(key, value["covers"]) for key, value in after.values("item_audiences")] == [("c", ["c-again"])]
    assert ids(after, "u") == ["a", "b", "c"]
    assert all("e-c" not in value["covers"] for _, value in after.values("recommendations"))


def test_an_item_that_comes_once_more_with_inferred_attributes_is_not_announced_again_after_a_restart() -> None:
    before = recommender()
    put_items(before, a=X)
    user(before, "u", X)
    item(before, "b", NEAR_X)
    before.settle()
    assert [value["covers"] for key, value in before.values("item_audiences") if key == "b"] == [["e-b"]]
    inferred = {"b": item_vector("b", NEAR_X, attributes={"tone": ["calm"]})}
    after = restarted(before, {"a": X, "b": NEAR_X}, {"u": X}, then=inferred)
    after.settle()
    assert after.values("item_audiences") == []
    assert all("e-b" not in value["covers"] for _, value in after.values("recommendations"))


@pytest.mark.parametrize(("announced", "news", "at"), [(0, ["e-a"], 0), (1, [], 1)])
def test_the_next_mark_waits_for_the_first_record_of_an_event_that_is_still_to_be_announced(
    announced: int, news: list[str], at: int
) -> None:
    state = State(load().ranking)
    for offset, attributes in enumerate(({}, {"tone": ["calm"]})):
        records = {"a": item_vector("a", X, attributes=attributes)}
        state.absorb(log_of("item_vectors", 0, records, offset))
    (change,) = changes_since(Mark({0: 0}, {0: announced}), 1, state.tables.catalogue)
    assert (list(change.news_for(1)), change.at) == (news, At(0, at))


def test_a_list_that_rests_on_what_has_changed_meanwhile_is_made_anew() -> None:
    before = recommender()
    put_items(before, a=X, b=Y, c=NEAR_X)
    user(before, "gone", X)
    user(before, "bent", Z)
    act(before, "bent", "b")
    after = restarted(before, {"b": [0.0, 1.0, 0.0], "c": NEAR_X}, {"gone": X, "bent": Z})
    after.settle()
    assert ids(after, "gone") == ["c", "b"]
    assert ids(after, "bent") == ["c"]


def test_a_user_missing_from_user_vectors_once_the_log_is_read_counts_as_deleted() -> None:
    before = recommender()
    put_items(before, a=X)
    user(before, "u", X)
    after = restarted(before, {"a": X}, {})
    after.settle()
    assert after.values("recommendations") == [("u", None)]
    assert after.latest("user_states")["u"]["status"] == "deleted"
    act(after, "u", "a")
    assert after.values("recommendations") == [("u", None)]


def test_a_user_whose_next_record_is_still_to_be_read_keeps_their_memory() -> None:
    before = recommender()
    put_items(before, a=X, b=Y)
    user(before, "u", X)
    act(before, "u", "a")
    after = restarted(before, {"a": X, "b": Y}, {})
    after.caught_up = False
    user(after, "u", X, event_id="changed")
    after.caught_up = True
    after.settle()
    assert ids(after, "u") == ["b"]
    assert after.latest("user_states")["u"]["status"] == "active"


@pytest.mark.parametrize("states_first", [True, False])
def test_a_user_who_left_and_came_back_is_restored_in_any_order_of_topics(states_first: bool) -> None:
    before = recommender()
    put_items(before, a=X)
    user(before, "u", X)
    before.feed(before.record("user_vectors", "u", None, 1))
    user(before, "u", X)
    after = Driver(Recommender(load()), after=before)
    after.step.absorb(log_of("item_vectors", 0, {"a": item_vector("a", X)}))
    states = [
        Record("user_states", 1, offset, 0, out.key.encode(), out.value)
        for offset, out in enumerate(before.produced["user_states"])
    ]
    vectors = log_of("user_vectors", 1, {"u": user_vector("u", X)})
    for records in (states, vectors) if states_first else (vectors, states):
        after.step.restore(records)
    after.step.assigned(frozenset({1}))
    after.settle()
    act(after, "u", "z")
    assert ids(after, "u") == ["a"]


def test_a_list_that_waits_is_not_sent_stale_when_another_partition_comes() -> None:
    driver = recommender()
    put_items(driver, a=Y, b=NEAR_X)
    user(driver, "u", X)
    for name in ("c", "d"):
        item(driver, name, NEAR_X)
        driver.settle()
    driver.step.assigned(frozenset({2}))
    item(driver, "best", X)
    driver.tick(6)
    driver.settle()
    assert ids(driver, "u") == ["best", "b", "c"]


def test_an_item_listed_while_another_partition_is_restored_still_has_its_audience_and_its_cover() -> None:
    driver = recommender()
    put_items(driver, a=Y)
    user(driver, "u", X)
    item(driver, "new", X, event_id="listed")
    driver.step.assigned(frozenset({2}))
    driver.settle()
    event = driver.latest("recommendations")["u"]
    assert (event["reason"], event["covers"]) == ("item.created", ["listed"])
    assert "new" in driver.latest("item_audiences")


def test_a_user_who_is_gone_before_their_list_was_made_holds_nobody_up() -> None:
    driver = recommender()
    user(driver, "u", X)
    user(driver, "v", X)
    item(driver, "a", X)  # the first vector: every list is to be made anew
    driver.feed(driver.record("user_vectors", "u", None, 1))
    driver.settle()
    assert ids(driver, "v") == ["a"]
    due = driver.step.due()
    assert due is not None
    assert due > driver.monotonic + 86_400  # the marker of "u" is still there


def test_users_of_a_partition_that_was_taken_away_are_forgotten() -> None:
    driver = recommender()
    put_items(driver, a=Y)
    user(driver, "u", X)
    driver.step.revoked(frozenset({1}))
    before = len(sent(driver))
    item(driver, "b", X)
    driver.settle()
    assert len(sent(driver)) == before


def test_vectors_of_another_encoder_are_not_compared_until_most_items_carry_them() -> None:
    driver = recommender(window_s=0.0)
    put_items(driver, a=X, b=Y, c=Z)
    user(driver, "u", X)
    item(driver, "a", [0.0, 1.0], fingerprint="other:2")
    driver.settle()
    assert driver.latest("recommendations")["u"]["encoder"] == "test:1"
    user(driver, "u", [1.0, 0.0], fingerprint="other:2")
    item(driver, "b", [1.0, 0.0], fingerprint="other:2")
    driver.settle()
    event = driver.latest("recommendations")["u"]
    assert event["encoder"] == "other:2"
    assert ids(driver, "u")[0] == "b"


def test_a_profile_refines_the_list() -> None:
    driver = recommender()
    put_items(driver, x=X, y=Y)
    user(driver, "u", [0.75, 0.625, 0.0])
    profile = {
        "type": "user.profile",
        "user_id": "u",
        "state": "ready",
        "vector": user_vector("u", Y)["vector"],
        "embedding": user_vector("u", Y)["embedding"],
        "source": source("users", "signup"),
        "generated_at": "2026-02-01T00:00:00Z",
    }
    assert ids(driver, "u") == ["x", "y"]
    driver.feed(driver.record("user_profiles", "u", profile, 1))
    event = driver.latest("recommendations")["u"]
    assert ids(driver, "u") == ["y", "x"]
    assert (event["reason"], event["stage"]) == ("profile", "refined")
    assert event["basis"]["profile"] > 0
    driver.feed(driver.record("user_profiles", "u", {**profile, "state": "pending", "vector": None}, 1))
    assert driver.latest("recommendations")["u"] == event
    driver.feed(driver.record("user_profiles", "u", None, 1))
    assert ids(driver, "u") == ["x", "y"]


def test_a_list_made_anew_after_a_restart_does_not_answer_an_item_a_second_time() -> None:
    before = recommender()
    put_items(before, a=X)
    user(before, "u", X, blocked=["z"])
    user(before, "v", X)
    act(before, "u", "a")
    for name in ("z", "b"):  # the first opens a window of v, so that the second waits for v and holds the mark
        item(before, name, NEAR_X)
        before.settle()
    assert before.values("recommendations")[-1][1]["covers"] == ["e-b"]
    assert before.latest("user_states")["\0mark"]["matched"] == {"0": 2}
    # What u's vector rests on is another now, so the restored list is not good enough; u acts before it is made.
    after = restarted(before, {"a": Y, "z": NEAR_X, "b": NEAR_X}, {"u": X, "v": X})
    act(after, "u", "z")
    assert [value["covers"] for key, value in after.values("recommendations") if key == "u"] == [["i-u-z-like-0"]]
