"""Test-then-train: what counts as a test, a hit, a stale list; popularity over the same stream."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from producers.prequential import Account, Popularity
from producers.timeline import Moment

START = datetime(2026, 3, 1, tzinfo=UTC)


def item(item_id: str, *, is_gone: bool = False) -> Moment:
    return Moment(START, "items", item_id, f"created-{item_id}", b"", item_id=item_id, is_gone=is_gone)


def sign_up(user_id: str) -> Moment:
    return Moment(START, "users", user_id, f"created-{user_id}", b"", user_id=user_id)


def like(user_id: str, item_id: str, event_id: str = "", *, is_like: bool = True) -> Moment:
    at = START + timedelta(seconds=1)
    event_id = event_id or f"{user_id}-{item_id}"
    return Moment(at, "interactions", user_id, event_id, b"", user_id=user_id, item_id=item_id, is_like=is_like)


def account(*item_ids: str, k: int = 2) -> Account:
    """Over these items, with ada signed up and answered."""
    found = Account({"popularity": Popularity(item_ids)}, k)
    for item_id in item_ids:
        found.learn(item(item_id), 0.0)
    found.learn(sign_up("ada"), 0.0)
    found.hear("ada", item_ids, {"created-ada"}, 0.0)
    return found


# ---- popularity ------------------------------------------------------------------------------------------


def test_popularity_holds_the_most_liked() -> None:
    popularity = Popularity(["a", "b", "c"])
    for item_id in "abc":
        popularity.offer(item_id)
    for item_id in ("c", "c", "b"):
        popularity.add(item_id, START)
    assert [popularity.holds(item_id, (), 2) for item_id in "abc"] == [False, True, True]


def test_popularity_gives_ties_to_the_smaller_id_by_bytes() -> None:
    popularity = Popularity(["ä", "z"])  # by letters the other way round
    popularity.offer("ä")
    popularity.offer("z")
    assert [popularity.holds(item_id, (), 1) for item_id in ("ä", "z")] == [False, True]


def test_what_a_user_has_met_makes_room_on_their_popularity_list() -> None:
    popularity = Popularity(["a", "b", "c"])
    for item_id in "abc":
        popularity.offer(item_id)
    popularity.add("a", START)
    assert not popularity.holds("b", (), 1)
    assert popularity.holds("b", {"a", "unknown"}, 1)


def test_an_item_is_popular_only_while_it_is_on_offer() -> None:
    popularity = Popularity(["a", "b"])
    popularity.add("a", START)
    popularity.add("b", START)
    assert not popularity.holds("a", (), 2)
    popularity.offer("a")
    assert popularity.holds("a", (), 1)
    popularity.offer("a", is_gone=True)
    popularity.offer("b")
    assert popularity.holds("b", (), 1)


def test_likes_of_items_that_are_never_listed_count_for_nothing() -> None:
    popularity = Popularity(["a"])
    popularity.add("unknown", START)
    assert not popularity.holds("unknown", (), 20)


def test_recent_likes_outweigh_more_numerous_old_ones() -> None:
    popularity = Popularity(["old", "recent"], half_life_days=1)
    for item_id in ("old", "recent"):
        popularity.offer(item_id)
    for _ in range(3):
        popularity.add("old", START)
    popularity.add("recent", START + timedelta(days=1.5))
    assert popularity.holds("old", (), 1)  # 3 / 2.8 > 1
    popularity.add("recent", START + timedelta(days=1.6))
    assert popularity.holds("recent", (), 1)


def test_likes_of_many_half_lives_stay_finite() -> None:
    popularity = Popularity(["old", "recent"], half_life_days=1)
    popularity.offer("old")
    popularity.offer("recent")
    for _ in range(9):
        popularity.add("old", START)
    popularity.add("recent", START + timedelta(days=5_000))
    assert not popularity.holds("old", (), 1)


# ---- tests -----------------------------------------------------------------------------------------------


def test_a_like_of_an_item_on_the_published_list_is_a_hit() -> None:
    kept = account("a", "b", "c", k=2)
    kept.test(like("ada", "b"))
    kept.test(like("ada", "c"))  # third on the list, and two count
    assert (kept.total.tests, kept.total.hits) == (2, 1)


def test_only_likes_are_tests() -> None:
    kept = account("a")
    kept.test(like("ada", "a", is_like=False))
    kept.test(item("b"))
    assert kept.total.tests == 0


def test_the_list_counts_as_it_was_before_the_like() -> None:
    kept = account("a", "b", k=1)
    kept.test(like("ada", "b"))
    kept.learn(like("ada", "b"), 1.0)
    kept.hear("ada", ["b"], {"ada-b"}, 2.0)
    assert kept.total.hits == 0


def test_a_like_of_an_item_that_the_user_met_is_no_test() -> None:
    kept = account("a", "b")
    kept.learn(like("ada", "a", "seen", is_like=False), 1.0)
    kept.test(like("ada", "a", "liked"))
    assert (kept.total.tests, kept.repeats) == (0, 1)


def test_a_like_without_any_list_is_a_missed_test() -> None:
    kept = account("a")
    kept.learn(sign_up("bob"), 0.0)
    kept.test(like("bob", "a"))
    assert (kept.total.tests, kept.total.hits, kept.absent) == (1, 0, 1)


def test_a_test_is_stale_until_a_list_covers_the_users_last_event() -> None:
    kept = account("a", "b", "c", "d")
    kept.learn(like("ada", "a"), 1.0)
    kept.test(like("ada", "b"))
    assert kept.stale == 1
    assert not kept.hear("ada", ["c"], {"another event"}, 2.0)
    kept.test(like("ada", "b"))
    assert kept.stale == 2
    assert kept.hear("ada", ["c"], {"another event", "ada-a"}, 2.5)
    kept.test(like("ada", "b"))
    assert kept.stale == 2
    assert kept.delays == [0.0, 1.5]


def test_a_list_for_an_earlier_event_leaves_the_last_one_awaited() -> None:
    kept = account("a", "b", "c")
    kept.learn(like("ada", "a"), 1.0)
    kept.learn(like("ada", "b"), 2.0)
    assert not kept.hear("ada", ["c"], {"ada-a"}, 3.0)
    assert kept.awaited == {"ada": ("ada-b", 2.0)}


def test_popularity_learns_each_like_after_its_test() -> None:
    kept = account("a", "b", k=1)
    kept.hear("ada", ["a"], set(), 0.0)
    kept.test(like("ada", "b"))  # "a" is first of equals
    kept.learn(like("ada", "b"), 1.0)
    kept.learn(sign_up("bob"), 1.0)
    kept.hear("bob", ["a"], {"created-bob"}, 1.0)
    kept.test(like("bob", "b"))
    assert (kept.total.hits, kept.total.others["popularity"]) == (0, 1)


def test_nothing_is_expected_for_items_and_for_users_who_never_signed_up_or_are_gone() -> None:
    kept = account("a")
    gone = Moment(START, "users", "ada", "deleted-ada", b"", user_id="ada", is_gone=True)
    assert not kept.learn(item("a"), 1.0)
    assert not kept.learn(like("nobody", "a"), 1.0)
    assert kept.learn(like("ada", "a"), 1.0)
    assert not kept.learn(gone, 2.0)
    assert not kept.learn(like("ada", "a"), 3.0)
    assert kept.awaited == {}


def test_rates_are_told_apart_by_what_was_known_of_the_user() -> None:
    kept = account("a", "b", "c", k=3)
    for item_id in "abc":
        kept.test(like("ada", item_id))
        kept.learn(like("ada", item_id), 1.0)
    tests = {name: score.tests for name, score in kept.by_known.items()}
    assert tests == {"0": 1, "1 to 4": 2, "5 to 19": 0, "20 and more": 0}


def test_the_lead_over_popularity_has_the_margin_of_users_not_of_tests() -> None:
    kept = account("a", "b", k=1)
    kept.hear("ada", ["b"], set(), 0.0)
    for _ in range(50):
        kept.test(like("ada", "b"))  # fifty tests that one user wins: no more than one observation
    kept.learn(sign_up("bob"), 0.0)
    kept.hear("bob", ["b"], {"created-bob"}, 0.0)
    for _ in range(50):
        kept.test(like("bob", "a"))
    # Two users, one of +1 and one of -1, weigh 50 of 100 tests each: the standard error is 1.
    assert kept.figures()["lead_over"] == {
        "popularity": {"mean": 0.0, "margin_95": pytest.approx(1.96)},
        "recent_popularity": {"mean": 0.5, "margin_95": pytest.approx(0.98)},  # not asked here: it holds nothing
    }


def test_delays_of_an_import_are_not_reported() -> None:
    kept = account("a", "b")
    kept.forget_delays()
    for seconds in (0.010, 0.020, 0.030):
        kept.learn(like("ada", "a"), 1.0)
        kept.hear("ada", ["b"], {"ada-a"}, 1.0 + seconds)
    assert kept.figures()["list_after_ms"] == {"p50": 20.0, "p99": 29.8}
