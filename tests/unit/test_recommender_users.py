"""What the recommender promises to users: sign-ups, deeds, deletions."""

from __future__ import annotations

import pytest

from tests.support.events import interaction, user_vector
from tests.support.recommending import (
    NEAR_X,
    NEAR_Y,
    X,
    Y,
    act,
    ids,
    item,
    put_items,
    recommender,
    sent,
    user,
)


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
