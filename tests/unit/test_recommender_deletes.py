"""Deletes are final: what comes late revives nothing, and what is kept to know it is forgotten in the end."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.recommender import Recommender
from glowplug.settings import load
from glowplug.stream.step import Record
from glowplug.stream.versions import VERSION_HEADER
from tests.support.drive import Driver
from tests.support.events import item_vector, source, user_vector
from tests.support.recommending import (
    NEAR_X,
    X,
    Y,
    act,
    ids,
    item,
    log_of,
    put_items,
    recommender,
    restarted,
    user,
)

DAY_S = 86_400.0


def leave(driver: Driver, name: str, version: int = 7) -> None:
    headers = ((VERSION_HEADER, str(version).encode()),)
    driver.feed(driver.record("user_vectors", name, None, 1, headers))


def profile(name: str, **more: Any) -> dict[str, Any]:
    vector = user_vector(name, Y)
    return {
        "type": "user.profile",
        "user_id": name,
        "state": "ready",
        "summary": "a secret",
        "vector": vector["vector"],
        "embedding": vector["embedding"],
        "source": source("users", "signup"),
        "generated_at": "2026-02-01T00:00:00Z",
    } | more


def say(driver: Driver, name: str) -> None:
    driver.feed(driver.record("user_profiles", name, profile(name), 1))


def restored(before: Driver) -> Driver:
    """A new process on all of user-states, tombstones included, and an empty user-vectors."""
    after = Driver(Recommender(load(ranking={"list_size": 3, "raw_size": 4})), after=before)
    after.monotonic = before.monotonic
    after.step.absorb(log_of("item_vectors", 0, {"a": item_vector("a", X)}))
    after.step.restore(
        [
            Record("user_states", 1, offset, 0, out.key.encode(), out.value)
            for offset, out in enumerate(before.produced["user_states"])
        ]
    )
    after.step.assigned(frozenset({1}))
    after.settle()
    return after


def gone(name: str, version: int | None = 7) -> dict[str, Any]:
    """All that a deleted user's record may hold."""
    nothing = {"history": [], "seen": "", "evidence": 0.0, "vector": None, "raw": [], "published": []}
    return nothing | {"user_id": name, "status": "deleted", "version": version}


def kept_of(driver: Driver, name: str) -> dict[str, Any]:
    state = driver.latest("user_states")[name]
    return {field: state[field] for field in gone(name)}


def test_a_delete_leaves_its_version_and_nothing_personal() -> None:
    driver = recommender()
    put_items(driver, a=X)
    user(driver, "u", X, said="a secret")
    act(driver, "u", "a")
    say(driver, "u")
    leave(driver, "u", version=7)
    assert kept_of(driver, "u") == gone("u")
    assert "secret" not in str(driver.latest("user_states")["u"])
    assert driver.latest("recommendations")["u"] is None


def test_late_clicks_and_slow_profiles_revive_nothing_before_a_restart_and_after() -> None:
    before = recommender()
    put_items(before, a=X, b=Y)
    user(before, "u", X)
    leave(before, "u")
    for driver in (before, restarted(before, {"a": X, "b": Y}, {})):
        written = {topic: len(values) for topic, values in driver.produced.items() if topic != "item_stats"}
        act(driver, "u", "a", event_id="late")
        say(driver, "u")
        item(driver, "new", X)
        driver.settle()
        assert [one.key for one in driver.produced["recommendations"][written.get("recommendations", 0) :]] == []
        states = driver.produced["user_states"][written.get("user_states", 0) :]
        assert [one.key for one in states if one.key == "u"] == []


def test_a_click_and_a_delete_in_one_batch_leave_the_marker_alone() -> None:
    driver = recommender()
    put_items(driver, a=X)
    user(driver, "u", X)
    click = driver.record("interactions", "u", _interaction("u"), 1)
    delete = driver.record("user_vectors", "u", None, 1, ((VERSION_HEADER, b"7"),))
    late = driver.record("interactions", "u", _interaction("u", "late"), 1)
    driver.feed(click, delete, late)
    assert kept_of(driver, "u") == gone("u")
    assert driver.values("recommendations")[-1] == ("u", None)


def _interaction(name: str, event_id: str = "first") -> dict[str, Any]:
    return {
        "type": "interaction",
        "event_id": event_id,
        "event_time": "2026-02-01T00:00:00Z",
        "user_id": name,
        "item_id": "a",
        "action": "like",
    }


def test_the_delete_of_a_user_nobody_knew_keeps_late_events_out_as_well() -> None:
    driver = recommender()
    put_items(driver, a=X)
    leave(driver, "u")
    act(driver, "u", "a")
    assert kept_of(driver, "u") == gone("u")


# ---- forgetting ------------------------------------------------------------------------------------------


def test_the_marker_is_dropped_after_thirty_days_and_not_before() -> None:
    driver = recommender()
    put_items(driver, a=X)
    user(driver, "u", X)
    leave(driver, "u")
    driver.tick(30 * DAY_S - 1)
    driver.settle()
    assert kept_of(driver, "u") == gone("u")
    driver.tick(1)
    driver.settle()
    assert driver.latest("user_states")["u"] is None


def test_a_restart_does_not_make_the_marker_younger() -> None:
    before = recommender()
    put_items(before, a=X)
    user(before, "u", X)
    leave(before, "u")
    before.tick(29 * DAY_S)
    after = restored(before)
    assert "u" not in after.latest("user_states")
    after.tick(DAY_S)
    after.settle()
    assert after.latest("user_states")["u"] is None


def test_markers_are_dropped_in_the_order_of_the_deletes_whichever_was_restored_first() -> None:
    before = recommender()
    user(before, "late", X)
    leave(before, "early")
    before.tick(10 * DAY_S)
    leave(before, "late")
    after = restored(before)
    leave(after, "now")
    after.tick(20 * DAY_S)
    after.settle()
    assert after.latest("user_states")["early"] is None
    assert "late" not in after.latest("user_states")


def test_a_click_after_the_marker_is_dropped_waits_as_for_an_unknown_user_and_is_dropped_in_turn() -> None:
    driver = recommender()
    put_items(driver, a=X)
    user(driver, "u", X)
    leave(driver, "u")
    driver.tick(30 * DAY_S)
    driver.settle()
    act(driver, "u", "a", event_id="very late")
    say(driver, "u")
    assert driver.latest("user_states")["u"]["status"] == "waiting"
    assert driver.latest("recommendations")["u"] is None
    driver.tick(30 * DAY_S)
    driver.settle()
    assert driver.latest("user_states")["u"] is None
    assert driver.latest("recommendations")["u"] is None


def test_what_waits_for_a_user_who_arrives_in_time_is_kept() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    act(driver, "u", "a")
    driver.tick(29 * DAY_S)
    user(driver, "u", X)
    driver.tick(29 * DAY_S)
    driver.settle()
    assert ids(driver, "u") == ["b"]
    assert driver.latest("user_states")["u"]["status"] == "active"


def test_each_click_of_a_user_who_is_awaited_begins_the_time_anew() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    act(driver, "u", "a")
    driver.tick(29 * DAY_S)
    act(driver, "u", "b")
    driver.tick(29 * DAY_S)
    driver.settle()
    assert len(driver.latest("user_states")["u"]["history"]) == 2


def test_nobody_is_forgotten_while_the_log_is_still_being_read_in() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    act(driver, "u", "a")
    driver.caught_up = False
    driver.tick(31 * DAY_S)
    driver.feed()
    user(driver, "u", X)
    driver.caught_up = True
    driver.settle()
    assert ids(driver, "u") == ["b"]


def test_what_was_forgotten_does_not_return_with_a_restart() -> None:
    before = recommender()
    put_items(before, a=X)
    act(before, "u", "a")
    before.tick(30 * DAY_S)
    before.settle()
    after = restored(before)
    user(after, "u", X)
    assert ids(after, "u") == ["a"]
    assert after.latest("user_states")["u"]["history"] == []


def test_forgetting_can_be_set() -> None:
    driver = recommender(forget_days=0.5)
    put_items(driver, a=X)
    leave(driver, "u")
    driver.tick(DAY_S / 2)
    driver.settle()
    assert driver.latest("user_states")["u"] is None


# ---- deleted while nobody looked -------------------------------------------------------------------------


def test_a_user_whose_tombstone_is_gone_from_the_log_is_deleted_at_the_version_that_was_known() -> None:
    before = recommender()
    put_items(before, a=X)
    value = user_vector("u", X)
    value["source"]["version"] = 4
    before.feed(before.record("user_vectors", "u", value, 1))
    after = restarted(before, {"a": X}, {})
    after.settle()
    assert kept_of(after, "u") == gone("u", 4)
    assert after.values("recommendations") == [("u", None)]


def test_an_item_whose_tombstone_is_gone_from_the_log_is_withdrawn_from_the_lists_that_held_it() -> None:
    before = recommender()
    put_items(before, a=X, b=NEAR_X, c=Y)
    user(before, "u", X)
    act(before, "u", "c")
    assert ids(before, "u") == ["a", "b"]
    after = restarted(before, {"b": NEAR_X, "c": Y}, {"u": X})
    after.settle()
    assert ids(after, "u") == ["b"]
    item(after, "d", X)
    after.settle()
    assert sorted(ids(after, "u")) == ["b", "d"]


# ---- repeats ---------------------------------------------------------------------------------------------


def test_a_repeat_is_recognised_among_the_remembered_interactions_and_counts_again_beyond_them() -> None:
    driver = recommender(history=2)
    put_items(driver, a=X, b=Y)
    user(driver, "u", X)
    for event_id in ("1", "2", "1", "3", "2", "1"):
        act(driver, "u", "a", event_id=event_id)
    state = driver.latest("user_states")["u"]
    # The third and the fifth are repeats; the last one was pushed out by "3" and counts as new.
    assert state["evidence"] == 4.0
    assert len(state["history"]) == 2


def test_a_restart_on_a_log_that_still_has_the_users_first_words_keeps_them_deleted() -> None:
    before = recommender()
    put_items(before, a=X)
    user(before, "u", X)
    leave(before, "u")
    after = Driver(Recommender(load(ranking={"list_size": 3, "raw_size": 4})), after=before)
    states = [out for out in before.produced["user_states"] if out.key == "u"]
    after.step.restore(
        [Record("user_states", 1, n, 0, b"u", out.value) for n, out in enumerate(states)],
    )
    words = log_of("user_vectors", 1, {"u": user_vector("u", X)})
    after.step.restore([*words, Record("user_vectors", 1, 1, 0, b"u", None, ((VERSION_HEADER, b"7"),))])
    after.step.assigned(frozenset({1}))
    act(after, "u", "a")
    assert [out.key for out in after.produced["user_states"] if out.key == "u"] == []


def return_after(driver: Driver, name: str, deleted: int, version: int) -> None:
    """A new life, the delete before it left out: the log is compacted, or both came in one batch."""
    said = user_vector(name, X) | {"deleted_before": deleted, "source": source("users", "again", version=version)}
    driver.feed(driver.record("user_vectors", name, said, 1))


def test_of_a_user_who_comes_back_nothing_is_left_though_nobody_saw_the_delete() -> None:
    driver = recommender()
    put_items(driver, a=X, b=NEAR_X)
    user(driver, "u", X)
    act(driver, "u", "a")
    say(driver, "u")
    return_after(driver, "u", deleted=5, version=6)
    state = driver.latest("user_states")["u"]
    assert (state["status"], state["history"], state["seen"], state["version"]) == ("active", [], "", 6)
    assert ids(driver, "u") == ["a", "b"]
    assert driver.latest("recommendations")["u"]["stage"] == "provisional"


def test_what_a_user_does_after_they_came_back_stays_when_they_say_more() -> None:
    driver = recommender()
    put_items(driver, a=X)
    return_after(driver, "u", deleted=5, version=6)
    act(driver, "u", "a")
    return_after(driver, "u", deleted=5, version=9)
    assert [entry["item_id"] for entry in driver.latest("user_states")["u"]["history"]] == ["a"]


@pytest.mark.parametrize(("version", "stage"), [(5, "provisional"), (6, "refined")])
def test_a_profile_that_comes_before_the_return_it_is_of_is_kept_and_a_late_one_is_not(
    version: int, stage: str
) -> None:
    driver = recommender()
    put_items(driver, a=X)
    user(driver, "u", X)
    leave(driver, "u", version=5)
    early = profile("u", source=source("users", "again", version=version))
    driver.feed(driver.record("user_profiles", "u", early, 1))
    assert kept_of(driver, "u") == gone("u", version=5)
    return_after(driver, "u", deleted=5, version=6)
    assert driver.latest("recommendations")["u"]["stage"] == stage
