"""Popularity by epoch."""

from __future__ import annotations

from tests.support.events import interaction, user_vector
from tests.support.recommending import (
    X,
    ids,
    item,
    recommender,
    sent,
)


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
