"""What the recommender promises about items: exactly the lists they enter or leave, and when."""

from __future__ import annotations

import json

import pytest
from prometheus_client import REGISTRY

from consumers import recommender as recommender_module
from glowplug.events import MARK_KEY, Recommendations
from glowplug.ranking.draft import Draft
from glowplug.ranking.roster import Roster
from glowplug.stream.step import Batch
from tests.support.drive import START
from tests.support.recommending import (
    NEAR_X,
    NEAR_Y,
    X,
    Y,
    Z,
    act,
    ids,
    item,
    log_of,
    put_items,
    recommender,
    sent,
    user,
)


def test_a_new_item_reaches_exactly_the_users_whose_list_it_enters() -> None:
    driver = recommender(list_size=2, raw_size=2)
    put_items(driver, x1=X, x2=X, y1=Y, y2=Y)
    user(driver, "likes-x", X)
    user(driver, "likes-y", Y)
    before = len(sent(driver))
    item(driver, "new", NEAR_Y, event_id="listed", seconds=9)
    driver.settle()
    assert sent(driver)[before:] == []  # close to Y, and still not among the two best of anybody
    item(driver, "best-y", [0.0, 1.0, 0.0625], event_id="listed-2")
    driver.settle()
    assert sent(driver)[before:] == [("likes-y", "item.created")]
    assert ids(driver, "likes-y")[0] == "best-y" or "best-y" in ids(driver, "likes-y")


def test_the_first_item_caused_list_goes_at_once_and_the_next_at_the_end_of_the_window() -> None:
    driver = recommender()
    put_items(driver, a=Y)
    user(driver, "u", X)
    before = len(sent(driver))
    item(driver, "b", NEAR_X, event_id="e-b")
    driver.settle()
    item(driver, "c", X, event_id="e-c")
    item(driver, "d", X, event_id="e-d")
    driver.settle()
    assert sent(driver)[before:] == [("u", "item.created")]
    driver.tick(4.9)
    driver.settle()
    assert len(sent(driver)) == before + 1
    driver.tick(0.2)
    driver.settle()
    event = driver.latest("recommendations")["u"]
    assert (event["reason"], sorted(event["covers"])) == ("item.created", ["e-c", "e-d"])
    assert ids(driver, "u") == ["c", "d", "b"]


def test_a_withdrawn_item_disappears_without_waiting_for_the_window() -> None:
    driver = recommender()
    put_items(driver, a=Y)
    user(driver, "u", X)
    item(driver, "b", X)
    driver.settle()
    item(driver, "b", X, available=False, event_id="withdrawn")
    driver.settle()
    assert ids(driver, "u") == ["a"]
    assert driver.latest("recommendations")["u"]["reason"] == "item.withdrawn"
    assert driver.latest("recommendations")["u"]["covers"] == ["withdrawn"]


def test_a_deleted_item_disappears_and_its_tombstone_names_the_event() -> None:
    driver = recommender()
    put_items(driver, a=Y, b=X)
    user(driver, "u", X)
    headers = (("glowplug-event-id", b"gone-1"), ("glowplug-event-time", b"2026-02-01T00:00:09+00:00"))
    driver.step.absorb([driver.record("item_vectors", "b", None, headers=headers)])
    driver.settle()
    event = driver.latest("recommendations")["u"]
    assert ids(driver, "u") == ["a"]
    assert (event["covers"], event["source_event_time"]) == (["gone-1"], "2026-02-01T00:00:09Z")


def test_an_item_that_is_available_again_comes_back() -> None:
    driver = recommender(window_s=0.0)
    put_items(driver, a=Y, b=X)
    user(driver, "u", X)
    for available in (False, True):
        item(driver, "b", X, available=available)
        driver.settle()
    assert ids(driver, "u") == ["b", "a"]


def test_a_change_that_moves_no_list_sends_nothing() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    user(driver, "u", X)
    before = len(sent(driver))
    item(driver, "a", X, title="Another title")
    driver.settle()
    assert len(sent(driver)) == before


def test_an_item_announces_its_audience_best_first_without_those_who_know_it() -> None:
    driver = recommender(audience_size=2)
    put_items(driver, a=Z)
    for name, vector in (("u1", NEAR_X), ("u2", X), ("u3", Y), ("u4", X)):
        user(driver, name, vector)
    act(driver, "u4", "new")
    item(driver, "new", X, event_id="listed")
    driver.settle()
    ((key, audience),) = ((k, v) for k, v in driver.values("item_audiences") if k == "new")
    assert key == "new"
    assert [member["user_id"] for member in audience["users"]] == ["u2", "u1"]
    assert (audience["partition"], audience["users_in_partition"], audience["covers"]) == (1, 4, ["listed"])


def test_nothing_item_caused_goes_out_before_the_log_is_read_in_and_then_one_list_per_user() -> None:
    driver = recommender()
    driver.caught_up = False
    driver.step.assigned(frozenset({2}))
    user(driver, "u", X)
    for n in range(5):
        item(driver, f"i{n}", X)
        driver.feed()
    assert sent(driver) == [("u", "user.created")]
    driver.caught_up = True
    driver.feed()
    driver.settle()
    assert sent(driver) == [("u", "user.created"), ("u", "import")]
    assert ids(driver, "u") == ["i0", "i1", "i2"]


def test_a_burst_of_items_waits_until_most_of_it_is_read() -> None:
    driver = recommender(import_lag=10)
    user(driver, "u", X)
    driver.behind = 11
    item(driver, "a", X)
    driver.feed()
    assert ids(driver, "u") == []
    driver.behind = 0
    driver.feed()
    assert ids(driver, "u") == ["a"]


def test_what_is_withdrawn_goes_even_while_interactions_pile_up() -> None:
    driver = recommender(import_lag=10)
    put_items(driver, a=X, b=Y)
    user(driver, "u", X)
    item(driver, "a", X, available=False)
    batch = Batch((), driver.now, driver.monotonic, caught_up=True, behind=10_000, tables_behind=0)
    effects = driver.step.step(batch)
    (event,) = (json.loads(out.value or b"") for out in effects.outgoing if out.topic == "recommendations")
    assert [one["item_id"] for one in event["items"]] == ["b"]


def test_an_item_that_enters_very_many_lists_does_not_hold_up_a_sign_up() -> None:
    driver = recommender()
    put_items(driver, a=Y)
    for n in range(600):
        user(driver, f"u{n}", X)
    item(driver, "hit", X, event_id="listed")
    first = driver.feed()
    assert sum(out.topic == "recommendations" for out in first) <= 2 * 256
    driver.settle()
    answers = [value for key, value in driver.values("recommendations") if value["covers"] == ["listed"]]
    assert len(answers) == 600
    assert {value["reason"] for value in answers} == {"item.created"}
    assert all(value["items"][0]["item_id"] == "hit" for value in answers)


def test_an_audience_leaves_out_whom_it_must_and_is_full_all_the_same() -> None:
    driver = recommender(audience_size=1, history=1, seen=10)
    put_items(driver, first=Z)
    for name in ("knows", "blocks", "u"):
        user(driver, name, X if name != "u" else NEAR_X, blocked=["i"] if name == "blocks" else [])
    act(driver, "knows", "i")
    act(driver, "knows", "other")  # beyond the history, and still seen
    item(driver, "i", X)
    driver.settle()
    audience = driver.latest("item_audiences")["i"]
    assert [member["user_id"] for member in audience["users"]] == ["u"]


def test_the_list_for_a_users_own_event_covers_what_waited() -> None:
    driver = recommender()
    put_items(driver, a=Y)
    user(driver, "u", X)
    for name in ("b", "c"):
        item(driver, name, NEAR_X, event_id=f"e-{name}")
        driver.settle()
    act(driver, "u", "a", event_id="click")
    event = driver.latest("recommendations")["u"]
    assert (event["reason"], sorted(event["covers"])) == ("interaction", ["click", "e-c"])


def test_a_list_made_anew_names_every_item_that_enters_it() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    user(driver, "u", X)
    item(driver, "a", X, available=False, event_id="gone")
    item(driver, "c", NEAR_X, event_id="new")
    driver.settle()
    assert sorted(driver.latest("recommendations")["u"]["covers"]) == ["gone", "new"]
    item(driver, "d", X, event_id="newer")
    act(driver, "u", "b", event_id="click")
    event = driver.latest("recommendations")["u"]
    assert (event["reason"], sorted(event["covers"])) == ("interaction", ["click", "newer"])


def test_an_import_without_users_is_marked_too() -> None:
    driver = recommender()
    put_items(driver, a=X)
    assert driver.latest("user_states")["\0mark"]["partition"] == 1


def test_an_item_that_a_list_took_up_while_matching_was_deferred_is_not_answered_again() -> None:
    driver = recommender()
    put_items(driver, a=X)
    user(driver, "u", X)
    driver.caught_up = False
    item(driver, "b", NEAR_X)
    act(driver, "u", "a", event_id="e-act")
    assert driver.latest("recommendations")["u"]["covers"] == ["e-act", "e-b"]
    driver.caught_up = True
    item(driver, "c", NEAR_X)
    driver.tick(1)
    driver.settle()
    assert ids(driver, "u") == ["b", "c"]
    assert driver.latest("recommendations")["u"]["covers"] == ["e-c"]


def test_an_item_whose_bend_a_list_has_already_is_not_answered_again_with_the_next_bend() -> None:
    driver = recommender()
    put_items(driver, a=X, c=Y, d=NEAR_Y)
    user(driver, "u", X)
    act(driver, "u", "d")
    driver.caught_up = False
    item(driver, "b", NEAR_X)
    act(driver, "u", "a", event_id="e-act")
    assert "e-b" in driver.latest("recommendations")["u"]["covers"]
    act(driver, "u", "b", event_id="e-like")
    item(driver, "d", Z, event_id="e-bends")
    item(driver, "e", Z)
    driver.caught_up = True
    driver.tick(1)
    driver.settle()
    assert "e-bends" in driver.latest("recommendations")["u"]["covers"]
    assert "e-b" not in driver.latest("recommendations")["u"]["covers"]


def test_a_bend_that_is_still_to_be_matched_is_the_cause_and_not_what_the_list_had_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y, c=X, d=NEAR_Y, later=Z)
    user(driver, "u", X)
    act(driver, "u", "a")
    act(driver, "u", "c")
    driver.caught_up = False
    item(driver, "a", NEAR_X, event_id="e-bend")
    item(driver, "new", NEAR_X, event_id="e-new")
    act(driver, "u", "far away", event_id="e-act")
    assert "e-new" in driver.latest("recommendations")["u"]["covers"]
    monkeypatch.setattr(recommender_module, "MATCHED_AT_ONCE", 2)
    item(driver, "c", Z, event_id="e-next-bend")  # not among those that are matched first
    driver.caught_up = True
    driver.tick(10)
    before = driver.latest("recommendations")["u"]
    driver.feed()
    after = driver.latest("recommendations")["u"]
    assert [one["item_id"] for one in after["items"]] != [one["item_id"] for one in before["items"]]
    assert after["covers"] == ["e-next-bend"]
    count = len(sent(driver))
    driver.tick(10)
    driver.settle()
    assert len(sent(driver)) == count


def test_an_item_on_a_list_that_moves_before_it_is_matched_is_a_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = recommender()
    put_items(driver, b=X, c=NEAR_X, d=NEAR_Y)
    user(driver, "u", X)
    driver.caught_up = False
    item(driver, "new", NEAR_X, event_id="e-new")
    act(driver, "u", "far away", event_id="e-act")
    assert "e-new" in driver.latest("recommendations")["u"]["covers"]
    monkeypatch.setattr(recommender_module, "MATCHED_AT_ONCE", 1)
    item(driver, "c", Z, event_id="e-falls")
    driver.caught_up = True
    driver.tick(10)
    driver.settle()
    assert "c" not in ids(driver, "u")
    assert driver.latest("recommendations")["u"]["covers"] == ["e-falls"]


def test_a_bend_that_waits_is_still_the_cause_when_another_partition_comes() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y, c=X, d=NEAR_Y)
    user(driver, "u", X)
    act(driver, "u", "a")
    item(driver, "a", Z, event_id="e-bend")
    item(driver, "z", Z, event_id="e-z")
    mark = driver.latest("user_states")[MARK_KEY] | {"partition": 2}
    driver.step.restore(log_of("user_states", 2, {MARK_KEY: mark}))
    driver.step.assigned(frozenset({2}))
    driver.tick(10)
    driver.settle()
    assert sorted(driver.latest("recommendations")["u"]["covers"]) == ["e-bend", "e-z"]


@pytest.mark.parametrize(("covers", "counted"), [(("e-1",), 1), ((), 0)])
def test_only_a_list_that_answers_an_event_says_how_fresh_it_is(covers: tuple[str, ...], counted: int) -> None:
    def count() -> float:
        labels = {"stage": "warm", "reason": "item.updated"}
        return REGISTRY.get_sample_value("glowplug_freshness_seconds_count", labels) or 0.0

    driver = recommender()
    put_items(driver, a=X)
    user(driver, "u", X)
    sample = Recommendations.model_validate_json(json.dumps(driver.latest("recommendations")["u"]))
    event = sample.model_copy(update={"reason": "item.updated", "stage": "warm", "covers": covers})
    draft = Draft(Batch((), START, 0.0, caught_up=True), Roster(3))
    draft.events["u"] = event
    before = count()
    draft.observe()
    assert count() - before == counted
