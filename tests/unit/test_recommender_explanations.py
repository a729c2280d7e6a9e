"""Why an item is on a list, in words that are so."""

from __future__ import annotations

from tests.support.events import user_vector
from tests.support.recommending import (
    NEAR_X,
    X,
    Y,
    act,
    item,
    put_items,
    recommender,
    user,
)


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
