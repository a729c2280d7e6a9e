"""What a profile does to lists: one refined list, away from what it names, explained by the words of the user."""

from __future__ import annotations

import json
from typing import Any

from tests.support.drive import Driver
from tests.support.events import claim, packed, user_profile, user_vector
from tests.support.recommending import NEAR_X, NEAR_Y, X, Y, Z, ids, put_items, recommender, sent, user

TEXT = "I play chess. Blood and gore are not for me."


def profile(driver: Driver, name: str, *arguments: Any, **more: Any) -> None:
    driver.feed(driver.record("user_profiles", name, user_profile(name, *arguments, **more), 1))


def latest(driver: Driver, name: str) -> Any:
    return driver.latest("recommendations")[name]


def test_a_ready_profile_leads_to_one_refined_list() -> None:
    driver = recommender()
    put_items(driver, x=X, y=Y)
    user(driver, "u", X)
    profile(driver, "u", None, state="pending")
    assert [reason for _, reason in sent(driver)] == ["user.created"]
    profile(driver, "u", Y, event_id="signup")
    driver.settle()
    assert [reason for _, reason in sent(driver)] == ["user.created", "profile"]
    event = latest(driver, "u")
    assert (event["stage"], event["covers"]) == ("refined", ["signup"])
    assert event["basis"]["profile"] > 0
    assert abs(sum(event["basis"].values()) - 1) < 1e-9


def test_a_profile_that_says_the_same_again_or_nothing_sends_nothing() -> None:
    driver = recommender()
    put_items(driver, x=X, y=Y)
    user(driver, "u", X)
    user(driver, "silent", X)
    profile(driver, "u", Y)
    profile(driver, "silent", None)
    before = sent(driver)
    profile(driver, "u", Y, version=7)
    profile(driver, "u", Y, version=8, state="pending")
    profile(driver, "u", None, version=9, state="pending")
    profile(driver, "silent", None, version=9)
    assert sent(driver) == before


def test_a_profile_for_a_user_who_has_not_arrived_refines_their_first_list() -> None:
    driver = recommender()
    put_items(driver, x=X, y=Y)
    profile(driver, "u", Y)
    user(driver, "u", X)
    assert [reason for _, reason in sent(driver)] == ["user.created"]
    assert latest(driver, "u")["stage"] == "refined"


def test_a_slow_profile_does_not_revive_a_deleted_user() -> None:
    driver = recommender()
    put_items(driver, x=X)
    user(driver, "u", X)
    driver.feed(driver.record("user_vectors", "u", None, 1))
    before = sent(driver)
    profile(driver, "u", Y)
    assert sent(driver) == before


def test_of_a_user_who_wrote_nothing_the_profile_is_all_there_is() -> None:
    driver = recommender()
    put_items(driver, x=X, y=Y)
    user(driver, "u", None)
    profile(driver, "u", Y, interests=[claim("board games", "play chess", TEXT, Y)])
    basis = latest(driver, "u")["basis"]
    assert basis["text"] == 0
    assert basis["profile"] > 0


def test_avoid_lowers_what_it_names_and_is_told_in_the_basis() -> None:
    driver = recommender(dislike_push=0.35)
    put_items(driver, gory=[0.75, 0.5, 0.0], calm=[0.625, 0.0, 0.5])
    user(driver, "u", X)
    assert ids(driver, "u") == ["gory", "calm"]
    profile(driver, "u", None, Y, avoid=[claim("gore", "gore", "no gore")])
    event = latest(driver, "u")
    assert ids(driver, "u") == ["calm", "gory"]
    assert event["stage"] == "refined"
    assert event["basis"]["profile"] > 0
    assert abs(sum(event["basis"].values()) - 1) < 1e-9


def test_a_sentence_that_only_refuses_no_longer_pulls_towards_what_it_refuses() -> None:
    driver = recommender(dislike_push=0.0)  # nothing is subtracted either
    put_items(driver, gore=X, chess=Y)
    said = user_vector("u", [0.875, 0.5, 0.0])
    part = said["parts"][0]
    refusal = {**part, "text": "Blood and gore are not for me.", "weight": 0.75, "vector": packed(X)}
    wish = {**part, "text": "I play chess.", "weight": 0.25, "vector": packed(Y)}
    driver.feed(driver.record("user_vectors", "u", {**said, "parts": [refusal, wish]}, 1))
    assert ids(driver, "u") == ["gore", "chess"]
    profile(driver, "u", None, X, avoid=[claim("gore", "Blood and gore", TEXT)])
    assert ids(driver, "u") == ["chess", "gore"]
    kinds = {one["item_id"]: one["explanation"]["kind"] for one in latest(driver, "u")["items"]}
    assert kinds["chess"] == "text"
    assert kinds["gore"] in ("popular", "fresh")


def test_of_words_that_only_refuse_what_they_say_beside_is_left() -> None:
    driver = recommender()
    put_items(driver, gore=X, chess=Y)
    user(driver, "u", [0.875, 0.5, 0.0], said="No blood and gore, rather a chess board.")
    assert ids(driver, "u") == ["gore", "chess"]
    profile(
        driver, "u", None, X, avoid=[claim("gore", "blood and gore", "No blood and gore, rather a chess board.")]
    )
    assert ids(driver, "u") == ["chess", "gore"]
    assert latest(driver, "u")["basis"]["profile"] > 0
    assert latest(driver, "u")["stage"] == "refined"


def test_an_explanation_names_the_interest_and_the_words_that_it_rests_on() -> None:
    driver = recommender()
    put_items(driver, chess=Y, other=X)
    user(driver, "u", X, said=TEXT)
    profile(driver, "u", Y, interests=[claim("board games", "play chess", TEXT, Y)])
    (told,) = [one["explanation"] for one in latest(driver, "u")["items"] if one["item_id"] == "chess"]
    assert told["kind"] == "profile"
    assert told["text"] == "about board games, because you wrote “play chess”"
    assert (told["field"], told["value"]) == ("text", "play chess")


def test_of_several_interests_the_one_that_is_like_the_item_is_named() -> None:
    driver = recommender()
    put_items(driver, walk=NEAR_X, game=NEAR_Y)
    user(driver, "u", Z, said="I hike a lot and play chess.")
    text = "I hike a lot and play chess."
    claims = [claim("hiking", "hike", text, X, 0.5), claim("board games", "play chess", text, Y)]
    profile(driver, "u", [0.5, 0.875, 0.0], interests=claims)
    told = {one["item_id"]: one["explanation"]["value"] for one in latest(driver, "u")["items"]}
    assert told == {"walk": "hike", "game": "play chess"}


def test_where_sentence_and_claim_both_fit_the_claim_is_named() -> None:
    driver = recommender()
    put_items(driver, game=Y)
    user(driver, "u", Y, said="I play chess, and a lot more besides.")
    text = "I play chess, and a lot more besides."
    profile(driver, "u", [0.0, 0.5, 0.5], interests=[claim("board games", "play chess", text, NEAR_Y)])
    assert latest(driver, "u")["items"][0]["explanation"]["value"] == "play chess"


def test_a_profile_of_another_encoder_changes_nothing() -> None:
    driver = recommender()
    put_items(driver, x=X, y=Y)
    user(driver, "u", X)
    profile(driver, "u", Y, fingerprint="other:1")
    assert latest(driver, "u")["stage"] == "provisional"


def test_after_a_restart_a_pending_profile_still_says_what_was_read_before() -> None:
    driver = recommender()
    put_items(driver, x=X, y=Y)
    user(driver, "u", X)
    profile(driver, "u", Y)
    before = ids(driver, "u")
    restarted = recommender(partition=2)  # of its own: it restores from this record alone
    held = user_profile("u", Y, state="pending", version=4)
    restarted.step.restore([restarted.record("user_profiles", "u", json.dumps(held).encode(), 1)])
    restarted.step.assigned(frozenset({1}))
    put_items(restarted, x=X, y=Y)
    user(restarted, "u", X)
    assert (ids(restarted, "u"), latest(restarted, "u")["stage"]) == (before, "refined")
