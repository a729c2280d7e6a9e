"""A head that is promoted while lists are served: noticed without a restart, undone, refused, and after a
restart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import orjson
import pytest
from prometheus_client import REGISTRY

from consumers.recommender import Recommender
from glowplug.heads.folder import POINTER, place_of, read_pointer, step, write_pointer
from glowplug.heads.following import LOOK_S
from glowplug.training.trending import Trending
from tests.support.audited import Audited
from tests.support.drive import Driver
from tests.support.heads import NOON, Shelf, fake_encoder, interactions, item_vectors, promote, user_vectors
from tests.support.recommending import log_of
from tests.support.waiting import wait_until

SIZES = {"list_size": 5, "raw_size": 10, "window_s": 0}
USERS = [f"u{at}" for at in range(8)]
SHOWN = [f"b{at}" for at in range(30)]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"), users=60, items=60)


@pytest.fixture(scope="module")
def heads_of(shelf: Shelf) -> tuple[tuple[Path, str], tuple[Path, str]]:
    """Two heads that rank differently."""
    return shelf.plain_head("first"), shelf.plain_head("second", gamma=0.0, profile=0.0)


def deeds_of(shelf: Shelf, users: list[str], most: int) -> list[dict[str, object]]:
    found = [one for one in interactions(shelf, np.ones(len(shelf.data.user), bool)) if one["user_id"] in users]
    return [one for user in users for one in [deed for deed in found if deed["user_id"] == user][:most]]


def begun(shelf: Shelf, heads: Path, *, is_threaded: bool = False, partition: int = 1, **ranking: float) -> Driver:
    """A recommender with the shelf's items and some of its users, half of whom did a lot. The one with partition 0
    closes epochs."""
    settings = fake_encoder(shelf.folder, heads=heads, **SIZES, **ranking)
    driver = Driver(Recommender(settings, is_threaded=is_threaded), {partition})
    driver.settle()
    vectors = item_vectors(shelf, only=SHOWN)
    driver.step.absorb([driver.record("item_vectors", key, value) for key, value in vectors.items()])
    driver.settle()
    for key, value in user_vectors(shelf, USERS).items():
        driver.feed(driver.record("user_vectors", key, value, partition))
    for deed in deeds_of(shelf, USERS[:4], 16) + deeds_of(shelf, USERS[4:6], 2):
        driver.read_back(driver.feed(driver.record("interactions", str(deed["user_id"]), deed, partition)))
    driver.settle()
    return driver


def lists(driver: Driver) -> dict[str, list[str]]:
    return {
        user: [one["item_id"] for one in event["items"]] for user, event in driver.latest("recommendations").items()
    }


def later(driver: Driver) -> None:
    driver.tick(LOOK_S)
    driver.settle()


def back(heads: Path) -> None:
    before = read_pointer(heads)
    write_pointer(heads, before.then(step("back", before.beneath, NOON)))


def count(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


def test_a_promoted_head_serves_without_a_restart_and_back_undoes_it(
    shelf: Shelf, heads_of: tuple[tuple[Path, str], tuple[Path, str]], tmp_path: Path
) -> None:
    (first, one), (second, two) = heads_of
    driver = begun(shelf, tmp_path)
    without = lists(driver)
    assert {event["head"] for event in driver.latest("recommendations").values()} == {None}

    promote(tmp_path, first, one)
    sent = len(driver.produced["recommendations"])
    later(driver)
    with_first = lists(driver)
    assert with_first != without
    news = driver.values("recommendations")[sent:]
    assert {(event["reason"], event["head"]) for _, event in news} == {("head", one)}
    # Only lists that differ go out; every state says what its list was made with.
    assert {user for user, _ in news} == {user for user in without if without[user] != with_first[user]}
    assert {state["head"] for key, state in driver.latest("user_states").items() if key in without} == {one}

    promote(tmp_path, second, two)
    later(driver)
    with_second = lists(driver)
    assert with_second != with_first
    back(tmp_path)
    later(driver)
    assert lists(driver) == with_first
    back(tmp_path)
    later(driver)
    assert lists(driver) == without
    assert {state["head"] for key, state in driver.latest("user_states").items() if key in without} == {""}


def test_lists_after_a_pickup_are_those_of_a_start_with_that_head(
    shelf: Shelf, heads_of: tuple[tuple[Path, str], tuple[Path, str]], tmp_path: Path
) -> None:
    (first, one), _ = heads_of
    running = begun(shelf, tmp_path / "running")
    promote(tmp_path / "running", first, one)
    later(running)
    promote(tmp_path / "there before", first, one)
    assert lists(running) == lists(begun(shelf, tmp_path / "there before"))


def test_beside_a_head_strangers_get_what_is_popular_now_and_are_told_so(shelf: Shelf, tmp_path: Path) -> None:
    """Most was done by the first four users, whose lists the head makes."""
    day = Trending(((0, 16.0), (6, 0.0)), spread=0.2)
    promote(tmp_path, *shelf.plain_head("of the day", day=day))
    driver = begun(shelf, tmp_path, partition=0, epoch_minimum=5.0, popularity_full=20.0)
    stats = driver.latest("item_stats")
    popular = {key.removeprefix("prior:"): one["popularity"] for key, one in stats.items() if "prior:" in key}
    latest = driver.latest("recommendations")
    for user in USERS[6:]:
        shown = [popular.get(item_id, 0.0) for item_id in lists(driver)[user]]
        assert shown == sorted((popular.get(item_id, 0.0) for item_id in SHOWN), reverse=True)[: len(shown)]
        assert {one["explanation"]["kind"] for one in latest[user]["items"]} == {"popular"}

    assert {one["explanation"]["kind"] for one in latest[USERS[4]]["items"]} == {"popular"}  # after two likes, too
    told = {one["explanation"]["kind"] for user in USERS[:4] for one in latest[user]["items"]}
    assert "popular" not in told


def test_a_head_is_loaded_beside_the_work(
    shelf: Shelf, heads_of: tuple[tuple[Path, str], tuple[Path, str]], tmp_path: Path
) -> None:
    (first, one), _ = heads_of
    driver = begun(shelf, tmp_path, is_threaded=True)
    promote(tmp_path, first, one)
    driver.tick(LOOK_S)
    driver.feed()
    wait_until(lambda: driver.step.due() == 0.0, 30, "the head is not loaded")
    driver.settle()
    assert {state["head"] for key, state in driver.latest("user_states").items() if key in USERS} == {one}


def test_an_item_that_comes_later_is_placed_by_the_head(
    shelf: Shelf, heads_of: tuple[tuple[Path, str], tuple[Path, str]], tmp_path: Path
) -> None:
    """The head knows none of these items: it was trained on the others."""
    cold = np.isin(shelf.data.item, [shelf.data.items.ids.index(one) for one in SHOWN[:5]])
    place, fingerprint = shelf.plain_head("partly", ~cold)
    promote(tmp_path, place, fingerprint)
    driver = begun(shelf, tmp_path)
    at_once = lists(driver)
    vectors = item_vectors(shelf, only=SHOWN)
    for name in SHOWN[:5]:  # withdrawn, and one by one back
        driver.step.absorb([driver.record("item_vectors", name, {**vectors[name], "available": False})])
    driver.settle()
    assert not set(SHOWN[:5]) & {name for ids in lists(driver).values() for name in ids}
    for name in SHOWN[:5]:
        driver.step.absorb([driver.record("item_vectors", name, vectors[name])])
        driver.settle()
    assert lists(driver) == at_once
    assert set(SHOWN[:5]) & {name for ids in at_once.values() for name in ids}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("cut off", "holds no head"),
        ("changed", "were changed since"),
        ("gone", "holds no head"),
        ("pointer", "cannot be read"),
        ("encoder", "train it with the encoder that serves"),
    ],
)
def test_what_cannot_be_used_is_refused_and_what_serves_goes_on(
    shelf: Shelf, heads_of: tuple[tuple[Path, str], tuple[Path, str]], tmp_path: Path, fault: str, said: str
) -> None:
    (first, one), (second, two) = heads_of
    promote(tmp_path, first, one)
    driver = begun(shelf, tmp_path)
    before, refused = lists(driver), count("glowplug_heads_refused_total")
    assert driver.step.condition().state == "ok"  # type: ignore[attr-defined]
    promote(tmp_path, second, two)
    place = place_of(tmp_path, two)
    if fault == "cut off":
        (place / "head.safetensors").write_bytes((place / "head.safetensors").read_bytes()[:100])
    elif fault == "gone":
        (place / "head.json").unlink()
    elif fault == "pointer":
        (tmp_path / POINTER).write_text("{")
    else:
        reading = orjson.loads((place / "head.json").read_bytes())
        reading["weak" if fault == "changed" else "encoder"] = 0.123 if fault == "changed" else "other:1"
        (place / "head.json").write_bytes(orjson.dumps(reading))
    if fault == "encoder":
        from glowplug.training.artifact import fingerprint_of

        misfit = fingerprint_of(place)
        promote(tmp_path, place, misfit)
    later(driver)
    condition = driver.step.condition()  # type: ignore[attr-defined]
    assert condition.state == "degraded"
    assert said in condition.detail
    assert f"{one} goes on serving" in condition.detail
    assert count("glowplug_heads_refused_total") == refused + 1
    assert lists(driver) == before

    if fault == "pointer":
        (tmp_path / POINTER).unlink()
        promote(tmp_path, first, one)
    for _ in range({"pointer": 0, "encoder": 2}.get(fault, 1)):
        back(tmp_path)
    later(driver)
    assert driver.step.condition().state == "ok"  # type: ignore[attr-defined]


def test_a_head_waits_for_the_encoder_that_it_was_trained_with(
    shelf: Shelf, heads_of: tuple[tuple[Path, str], tuple[Path, str]], tmp_path: Path
) -> None:
    (first, one), _ = heads_of
    promote(tmp_path, first, one)
    driver = Driver(Recommender(fake_encoder(shelf.folder, heads=tmp_path, **SIZES), is_threaded=False), {1})
    driver.settle()
    vectors = item_vectors(shelf, only=SHOWN)
    for key, value in vectors.items():
        earlier = {**value, "embedding": {**value["embedding"], "fingerprint": "earlier:1"}}
        driver.step.absorb([driver.record("item_vectors", key, earlier)])
    for key, value in user_vectors(shelf, USERS).items():
        driver.feed(driver.record("user_vectors", key, value, 1))
    later(driver)
    assert "train it with the encoder that serves" in driver.step.condition().detail  # type: ignore[attr-defined]
    assert {event["head"] for event in driver.latest("recommendations").values()} == {None}

    for key, value in vectors.items():
        driver.step.absorb([driver.record("item_vectors", key, value)])
    later(driver)
    later(driver)
    assert driver.step.condition().state == "ok"  # type: ignore[attr-defined]
    states = driver.latest("user_states")
    assert {states[user]["head"] for user in USERS} == {one}


def restarted(shelf: Shelf, heads: Path, before: Driver) -> Driver:
    after = Driver(Recommender(fake_encoder(shelf.folder, heads=heads, **SIZES), is_threaded=False), after=before)
    after.monotonic = before.monotonic
    after.step.absorb(log_of("item_vectors", 0, item_vectors(shelf, only=SHOWN)))
    states = {out.key: json.loads(out.value or b"null") for out in before.produced["user_states"]}
    after.step.restore(log_of("user_states", 1, states))
    after.step.restore(log_of("user_vectors", 1, user_vectors(shelf, USERS)))
    after.step.assigned(frozenset({1}))
    return after


def test_after_a_restart_lists_of_another_head_are_made_anew_and_others_kept(
    shelf: Shelf, heads_of: tuple[tuple[Path, str], tuple[Path, str]], tmp_path: Path
) -> None:
    (first, one), (second, two) = heads_of
    promote(tmp_path, first, one)
    driver = begun(shelf, tmp_path)
    same = restarted(shelf, tmp_path, driver)
    same.settle()
    assert same.produced["recommendations"] == []

    promote(tmp_path, second, two)
    other = restarted(shelf, tmp_path, driver)
    other.settle()
    later(driver)  # the one that goes on is where the restarted one is
    assert lists(driver) == lists(driver) | lists(other)
    assert {state["head"] for key, state in other.latest("user_states").items() if key in USERS} == {two}
    assert len(other.produced["recommendations"]) > 0


def test_verify_makes_the_same_lists_with_the_head(
    shelf: Shelf, heads_of: tuple[tuple[Path, str], tuple[Path, str]], tmp_path: Path
) -> None:
    (first, one), (second, two) = heads_of
    audited = Audited(heads=tmp_path, **SIZES)
    for value in item_vectors(shelf, only=SHOWN).values():
        audited.item_as(value)
    audited.settle()
    for key, value in user_vectors(shelf, USERS).items():
        audited.say("user_vectors", key, value)
    for deed in deeds_of(shelf, USERS[:4], 16):
        audited.act(str(deed["user_id"]), str(deed["item_id"]), "rating", value=deed.get("value"))
    promote(tmp_path, first, one)
    audited.driver.tick(LOOK_S)
    audited.settle()
    report = audited.verify()
    assert [(found.key, found.what) for found in report.differences] == []
    assert report.vectors == len(USERS)

    promote(tmp_path, second, two)  # and nobody has looked yet
    report = audited.verify()
    assert {found.what for found in report.moving} == {"head"}
    assert {found.expected for found in report.moving} == {two}
