"""What the recommender promises, driven without a broker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consumers.recommender import Recommender
from glowplug.settings import load
from glowplug.stream.step import Batch, Record
from tests.support.drive import Driver
from tests.support.events import interaction, item_vector, source, user_vector

X, Y, Z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
NEAR_X, NEAR_Y = [0.875, 0.25, 0.0], [0.25, 0.875, 0.0]


def recommender(partition: int = 1, **ranking: Any) -> Driver:
    """Partition 1 by default: no epochs, so lists move for no reason but those of the test."""
    settings = load(ranking={"list_size": 3, "raw_size": 4, "window_s": 5.0, **ranking})
    driver = Driver(Recommender(settings), {partition})
    driver.settle()
    return driver


def put_items(driver: Driver, **items: Any) -> None:
    for name, vector in items.items():
        driver.step.absorb([driver.record("item_vectors", name, item_vector(name, vector))])
    driver.settle()


def item(driver: Driver, name: str, vector: list[float] | None, **more: Any) -> None:
    driver.step.absorb([driver.record("item_vectors", name, item_vector(name, vector, **more))])


def user(driver: Driver, name: str, vector: list[float] | None, **more: Any) -> None:
    driver.feed(driver.record("user_vectors", name, user_vector(name, vector, **more), 1))


def act(driver: Driver, name: str, item_id: str, action: str = "like", **more: Any) -> None:
    driver.feed(driver.record("interactions", name, interaction(name, item_id, action, **more), 1))


def ids(driver: Driver, name: str) -> list[str]:
    return [one["item_id"] for one in driver.latest("recommendations")[name]["items"]]


def sent(driver: Driver) -> list[tuple[str, str]]:
    """User and reason of every list sent so far."""
    return [(key, value and value["reason"]) for key, value in driver.values("recommendations")]


# ---- users -----------------------------------------------------------------------------------------------


def test_a_new_user_gets_a_list_in_the_same_batch_with_reason_stage_and_cover() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    user(driver, "u", X, event_id="signup-7", seconds=3)
    event = driver.latest("recommendations")["u"]
    assert ids(driver, "u") == ["a", "b"]
    assert (event["reason"], event["stage"], event["covers"]) == ("user.created", "provisional", ["signup-7"])
    assert event["source_event_time"] == "2026-02-01T00:00:03Z"
    assert event["encoder"] == "test:1"
    assert [one["rank"] for one in event["items"]] == [1, 2]


def test_a_user_who_said_nothing_gets_popular_and_fresh_items_marked_as_such() -> None:
    driver = recommender()
    item(driver, "old", X, seconds=-90 * 86_400)
    item(driver, "new", Y)
    user(driver, "u", None)
    event = driver.latest("recommendations")["u"]
    assert event["stage"] == "popular"
    assert event["basis"] == {"text": 0.0, "profile": 0.0, "behaviour": 0.0, "popularity": 1.0}
    assert {one["explanation"]["kind"] for one in event["items"]} <= {"popular", "fresh"}


def test_a_changed_user_gets_another_list() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    user(driver, "u", X)
    user(driver, "u", Y)
    assert ids(driver, "u") == ["b", "a"]
    assert sent(driver) == [("u", "user.created"), ("u", "user.updated")]


def test_a_deleted_user_leaves_a_tombstone_no_personal_data_and_is_not_revived_by_late_clicks() -> None:
    driver = recommender()
    put_items(driver, a=X)
    user(driver, "u", X, said="a secret")
    act(driver, "u", "a")
    driver.feed(driver.record("user_vectors", "u", None, 1))
    act(driver, "u", "a", event_id="late")
    assert driver.latest("recommendations")["u"] is None
    state = driver.latest("user_states")["u"]
    assert (state["status"], state["history"], state["seen"], state["vector"]) == ("deleted", [], "", None)
    item(driver, "b", X)
    driver.settle()
    assert driver.latest("recommendations")["u"] is None


def test_a_user_who_signs_up_again_after_deletion_starts_afresh() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    user(driver, "u", X)
    act(driver, "u", "a")
    driver.feed(driver.record("user_vectors", "u", None, 1))
    user(driver, "u", X)
    assert ids(driver, "u") == ["a", "b"]
    assert sent(driver)[-1] == ("u", "user.created")


def test_blocked_items_are_never_recommended() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    user(driver, "u", X, blocked=["a", "c"])
    item(driver, "c", X)
    driver.settle()
    assert ids(driver, "u") == ["b"]


# ---- interactions ----------------------------------------------------------------------------------------


def test_a_like_pulls_the_list_towards_its_item_and_the_item_itself_is_gone() -> None:
    driver = recommender(text_strength=0.5)
    put_items(driver, x=X, nx=NEAR_X, y=Y, ny=NEAR_Y)
    user(driver, "u", X)
    assert ids(driver, "u")[:2] == ["x", "nx"]
    act(driver, "u", "y")
    assert ids(driver, "u")[0] == "ny"
    assert "y" not in ids(driver, "u")
    assert driver.latest("recommendations")["u"]["stage"] == "warm"


def test_a_dislike_pushes_away() -> None:
    driver = recommender(dislike_push=1.0)
    put_items(driver, d=Y, ny=NEAR_Y, z=[0.25, 0.0, 0.75])
    user(driver, "u", [0.5, 0.5, 0.5])
    assert ids(driver, "u").index("ny") < ids(driver, "u").index("z")
    act(driver, "u", "d", "dislike")
    assert ids(driver, "u") == ["z", "ny"]


def test_text_fades_as_evidence_grows() -> None:
    driver = recommender()
    put_items(driver, **{f"y{n}": Y for n in range(12)})
    user(driver, "u", X)
    shares = []
    for n in range(8):
        act(driver, "u", f"y{n}")
        shares.append(driver.latest("recommendations")["u"]["basis"])
    texts = [share["text"] for share in shares]
    assert texts == sorted(texts, reverse=True)
    assert [share["popularity"] for share in shares] == sorted((s["popularity"] for s in shares), reverse=True)
    assert texts[-1] < 0.2 < 0.35 < texts[0]
    assert all(sum(share.values()) == pytest.approx(1) for share in shares)


def test_recent_behaviour_weighs_more_than_old() -> None:
    driver = recommender(half_life=1.0)
    put_items(driver, x1=X, x2=X, y1=Y, y2=Y, x=NEAR_X, y=NEAR_Y)
    user(driver, "u", None)
    for name in ("x1", "x2", "y1", "y2"):
        act(driver, "u", name)
    assert ids(driver, "u")[0] == "y"


def test_a_repeated_event_id_is_counted_once() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    user(driver, "u", X)
    act(driver, "u", "a", event_id="same")
    act(driver, "u", "a", event_id="same")
    assert len(driver.latest("user_states")["u"]["history"]) == 1
    assert sent(driver).count(("u", "interaction")) == 1


def test_an_interaction_with_an_unknown_item_takes_effect_when_the_item_arrives() -> None:
    driver = recommender(text_strength=0.5, window_s=0.0)
    put_items(driver, x=X, nx=NEAR_X, ny=NEAR_Y)
    user(driver, "u", X)
    act(driver, "u", "later")
    assert ids(driver, "u")[0] == "x"
    item(driver, "later", Y, event_id="arrival")
    driver.settle()
    event = driver.latest("recommendations")["u"]
    assert ids(driver, "u")[0] == "ny"
    assert "later" not in ids(driver, "u")
    assert (event["reason"], event["covers"]) == ("item.created", ["arrival"])


def test_interactions_of_an_unknown_user_take_effect_when_the_user_arrives() -> None:
    driver = recommender()
    put_items(driver, y=Y, nx=NEAR_X, ny=NEAR_Y)
    act(driver, "u", "y")
    assert "u" not in driver.latest("recommendations")
    assert driver.latest("user_states")["u"]["status"] == "waiting"
    user(driver, "u", None)
    assert ids(driver, "u") == ["ny", "nx"]


def test_a_batch_answers_all_of_a_users_events_with_one_list() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    first = driver.record("user_vectors", "u", user_vector("u", X, event_id="e1", seconds=1), 1)
    second = driver.record("interactions", "u", interaction("u", "a", event_id="e2", seconds=2), 1)
    driver.feed(first, second)
    (event,) = (value for _, value in driver.values("recommendations"))
    assert (event["reason"], event["covers"]) == ("user.created", ["e1", "e2"])
    assert [one["item_id"] for one in event["items"]] == ["b"]


def test_an_invalid_interaction_is_a_dead_letter_and_its_neighbours_count() -> None:
    driver = recommender()
    put_items(driver, a=X, b=Y)
    user(driver, "u", X)
    bad = driver.record("interactions", "u", b"{broken", 1)
    nan = driver.record("interactions", "u", b'{"type":"interaction","value":NaN}', 1)
    good = driver.record("interactions", "u", interaction("u", "a"), 1)
    driver.feed(bad, nan, good)
    assert [(dead.record.offset, dead.error.cause) for dead in driver.dead] == [
        (0, "malformed_json"),
        (1, "malformed_json"),
    ]
    assert ids(driver, "u") == ["b"]


# ---- items -----------------------------------------------------------------------------------------------


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


# ---- priors ----------------------------------------------------------------------------------------------


def test_popularity_reaches_lists_by_an_epoch_and_only_changed_lists_are_sent() -> None:
    driver = recommender(partition=0, popularity=1.0, popularity_full=10.0, epoch_minimum=3.0)
    for name in ("a", "b"):
        item(driver, name, None)
    driver.settle()
    for name in ("quiet", "fan-1", "fan-2", "fan-3"):
        driver.feed(driver.record("user_vectors", name, user_vector(name, None)))
    driver.settle()
    assert ids(driver, "quiet") == ["a", "b"]
    sent_before = len(sent(driver))
    for n, name in enumerate(("fan-1", "fan-2", "fan-3")):
        out = driver.feed(driver.record("interactions", name, interaction(name, "b", event_id=f"{n}")))
        driver.read_back(out)
    driver.settle()
    assert ids(driver, "quiet") == ["b", "a"]
    assert [one for one in sent(driver)[sent_before:] if one[0] == "quiet"] == [("quiet", "prior")]
    assert driver.latest("recommendations")["quiet"]["epoch"] == driver.latest("item_stats")["epoch"]["epoch"]
    assert driver.latest("recommendations")["quiet"]["items"][0]["explanation"]["kind"] == "popular"


def test_a_clock_of_the_future_does_not_spoil_an_items_popularity() -> None:
    driver = recommender(partition=0, popularity_full=10.0, epoch_minimum=1.0)
    item(driver, "a", X)
    for n in range(5):
        driver.read_back(driver.feed(driver.record("interactions", "u", interaction("u", "a", event_id=f"{n}"))))
    future = {**interaction("u", "a", "view", event_id="future"), "event_time": "2999-01-01T00:00:00Z"}
    driver.read_back(driver.feed(driver.record("interactions", "u", future)))
    for n in range(5, 9):
        driver.read_back(driver.feed(driver.record("interactions", "u", interaction("u", "a", event_id=f"{n}"))))
    driver.settle()
    assert driver.latest("item_stats")["prior:a"]["popularity"] > 0.5


def test_made_up_items_get_no_prior() -> None:
    driver = recommender(partition=0, popularity_full=10.0, epoch_minimum=1.0)
    item(driver, "a", X)
    for name in ("a", "made-up"):
        driver.read_back(driver.feed(driver.record("interactions", "u", interaction("u", name, "purchase"))))
    driver.settle()
    assert "prior:a" in driver.latest("item_stats")
    assert "prior:made-up" not in driver.latest("item_stats")


def test_an_epoch_is_written_behind_its_priors_into_one_partition() -> None:
    driver = recommender(partition=0, epoch_minimum=1.0)
    item(driver, "a", X)
    driver.read_back(driver.feed(driver.record("interactions", "u", interaction("u", "a", "purchase"))))
    driver.settle()
    stats = [out for out in driver.produced["item_stats"] if out.key == "epoch" or out.key.startswith("prior:")]
    assert {out.partition for out in stats} == {0}
    assert stats[-1].key == "epoch"
    assert any(out.key == "prior:a" for out in stats)


# ---- restarts and spaces ---------------------------------------------------------------------------------


def restarted(before: Driver, items: dict[str, list[float]], users: dict[str, list[float]]) -> Driver:
    """A new process on the log of the old one, in which `items` and `users` are the input topics."""
    after = Driver(Recommender(load(ranking={"list_size": 3, "raw_size": 4, "window_s": 5.0})), after=before)
    after.monotonic = before.monotonic
    after.step.absorb(log_of("item_vectors", 0, {key: item_vector(key, value) for key, value in items.items()}))
    states = [(out.key, json.loads(out.value or b"null")) for out in before.produced["user_states"]]
    after.step.restore(log_of("user_states", 1, dict(states)))
    after.step.restore(log_of("user_vectors", 1, {key: user_vector(key, value) for key, value in users.items()}))
    after.step.assigned(frozenset({1}))
    return after


def log_of(topic: str, partition: int, values: dict[str, Any]) -> list[Record]:
    return [
        Record(topic, partition, offset, 0, key.encode(), json.dumps(value).encode())
        for offset, (key, value) in enumerate(values.items())
    ]


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
    assert driver.step.due() is None


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


# ---- explanations ----------------------------------------------------------------------------------------


def test_each_item_says_what_it_rests_on() -> None:
    driver = recommender(text_strength=1.0)
    item(driver, "film-1", X, title="Blade", attributes={"language": "en", "genre": "sci-fi"})
    item(driver, "film-2", NEAR_X, attributes={"language": "en", "genre": "sci-fi"})
    item(driver, "song", Y, attributes={"tags": ["Jazz", "live"]})
    for n in range(6):
        item(driver, f"film-{n + 3}", [-1.0, 0.0, 0.0], attributes={"genre": "western", "language": "en"})
    driver.settle()
    user(driver, "u", Y, field="interests", said="jazz")
    act(driver, "u", "film-1", "purchase")
    told = {one["item_id"]: one["explanation"] for one in driver.latest("recommendations")["u"]["items"]}
    assert told["song"]["text"] == "matches your interest “jazz” (tags: jazz)"
    assert told["song"]["kind"] == "interest"
    assert told["film-2"]["text"] == "similar to “Blade”, which you bought (genre: sci-fi)"
    assert (told["film-2"]["kind"], told["film-2"]["item_id"]) == ("liked_item", "film-1")


def test_a_long_sign_up_text_is_quoted_shortly() -> None:
    driver = recommender()
    put_items(driver, a=X)
    user(driver, "u", X, said="I like " + "very " * 50 + "long texts")
    text = driver.latest("recommendations")["u"]["items"][0]["explanation"]["text"]
    assert text.startswith("close to what you wrote: “I like very very")
    assert len(text) < 100


def test_of_the_sentences_of_a_text_the_one_that_is_like_the_item_is_quoted_and_not_the_longest() -> None:
    driver = recommender()
    put_items(driver, chess=[0.25, 0.875, 0.0])
    said = user_vector("u", [0.875, 0.5, 0.0])
    part = said["parts"][0]
    short = {**part, "text": "I play chess.", "weight": 0.2, "vector": user_vector("u", Y)["vector"]}
    long = {**part, "text": "I am fun at parties.", "weight": 0.8, "vector": user_vector("u", X)["vector"]}
    driver.feed(driver.record("user_vectors", "u", {**said, "parts": [long, short]}, 1))
    (shown,) = driver.latest("recommendations")["u"]["items"]
    assert shown["explanation"]["value"] == "I play chess."


def test_an_item_that_is_hardly_like_anything_said_is_not_explained_by_it() -> None:
    driver = recommender()
    put_items(driver, off=[0.125, 0.0, 0.875])
    user(driver, "u", X)
    (shown,) = driver.latest("recommendations")["u"]["items"]
    assert shown["explanation"]["kind"] in ("popular", "fresh")
