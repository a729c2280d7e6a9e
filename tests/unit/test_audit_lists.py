"""Lists and vectors agree with a fresh index where nothing is wrong; whatever is wrong is named."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from glowplug.audit.finding import digest
from glowplug.audit.log import Log
from glowplug.audit.verify import verify
from glowplug.index.items import item_hash
from glowplug.vectors import pack
from tests.support.audited import (
    Audited,
    found,
    only_in_the_log,
    small_world,
    the_only,
)


@pytest.fixture
def world() -> Audited:
    return small_world()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


def test_a_quiet_world_agrees_in_everything(world: Audited) -> None:
    report = world.verify()
    assert (report.differences, report.moving, report.unchecked) == ((), (), ())
    assert report.is_good(strict=True)
    assert all(pair.are_equal for pair in report.pairs)
    assert (report.lists, report.vectors) == (3, 3)
    assert report.values == 7 + 3 + 3  # items, users, lists
    assert world.latest("item_stats", "epoch")["epoch"] >= 2


def test_a_world_of_random_items_with_a_frame_agrees(rng: np.random.Generator) -> None:
    audited = Audited(epoch_minimum=3.0)
    vectors = rng.standard_normal((120, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for n, vector in enumerate(vectors):
        audited.item(f"i{n}", vector.tolist())
    audited.settle()
    for n in range(8):
        audited.user(f"u{n}", vectors[n].tolist())
    for n in range(40):
        action = ("like", "dislike", "click", "purchase", "view")[n % 5]
        audited.act(f"u{n % 8}", f"i{(n * 7) % 120}", action, seconds=n)
        audited.settle()
    audited.driver.tick(10)
    audited.settle()
    assert audited.latest("item_stats", "epoch")["centre"] is not None
    report = audited.verify()
    assert (report.differences, report.moving) == ((), ())


def test_the_digest_of_the_topics_does_not_depend_on_how_much_of_them_is_compacted(world: Audited) -> None:
    latest = {(record.topic, record.key, record.partition): record for record in world.log}
    compacted = [record for record in latest.values() if record.value is not None]
    assert Log(compacted).digest() == Log(world.log).digest()
    assert len(compacted) < len(world.log)


def test_what_compaction_leaves_agrees_too(world: Audited) -> None:
    whole = world.snapshot()
    latest = {(record.topic, record.key, record.partition): record for record in world.log}
    kept = [record for record in world.log if latest[record.topic, record.key, record.partition] is record]
    report = verify(replace(whole, log=Log(kept)), world.settings)
    assert (report.differences, report.moving) == ((), ())


def test_no_two_sets_of_rows_share_their_digest_by_shifting_bytes() -> None:
    assert digest([(b"a", b"bc")]) != digest([(b"ab", b"c")])
    assert digest([(b"a",), (b"b",)]) != digest([(b"a", b"b")])


def test_a_published_list_in_another_order_is_named_with_the_ranks(world: Audited) -> None:
    before = world.latest("user_states", "ada")["published"]
    world.change("user_states", "ada", lambda state: state | {"published": state["published"][::-1]})
    report = only_in_the_log(world)
    assert found(report) == [("recommendations ada", "items"), ("user_states ada", "published")]
    expected = f"from rank 1: {', '.join(before)}"
    assert (report.differences[1].expected, report.differences[1].check) == (expected, "list")
    assert [pair.are_equal for pair in report.pairs] == [True, False]


@pytest.mark.parametrize(
    ("item_id", "fault"),
    [("x", "seen"), ("z", "blocked"), ("away", "unavailable"), ("dropped", "unavailable"), ("never", "unknown")],
)
def test_a_list_with_something_that_must_not_be_there_says_what_and_why(
    world: Audited, item_id: str, fault: str
) -> None:
    listed = [item_id, *world.latest("user_states", "ada")["published"][:2]]
    world.change("user_states", "ada", lambda state: state | {"published": listed})
    world.change("recommendations", "ada", lambda value: value | {"items": renamed(value["items"], listed)})
    assert the_only(only_in_the_log(world)).found == f"{item_id}, which is {fault}"


def renamed(items: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    return [item | {"item_id": name} for item, name in zip(items, names, strict=True)]


def test_a_score_that_is_off_by_one_bit_is_named(world: Audited) -> None:
    def nudged(state: dict[str, Any]) -> dict[str, Any]:
        raw = state["raw"]
        return state | {"raw": [raw[0] | {"score": float(np.nextafter(raw[0]["score"], 2))}, *raw[1:]]}

    world.change("user_states", "bo", nudged)
    finding = the_only(only_in_the_log(world))
    assert (finding.key, finding.what) == ("user_states bo", "top-k")


def test_another_vector_than_the_fold_of_the_user_is_named(world: Audited) -> None:
    def moved(state: dict[str, Any]) -> dict[str, Any]:
        half = np.frombuffer(base64.b64decode(state["vector"]["data"]), "<f2").copy()
        half[1] = 0.5
        return state | {"vector": pack(half).model_dump()}

    world.change("user_states", "ada", moved)
    finding = the_only(only_in_the_log(world))
    assert (finding.check, finding.key) == ("vector", "user_states ada")
    assert (finding.expected[:9], finding.found[:3]) == ("column 1:", "0.5")


def test_a_list_that_misses_what_the_user_met_meanwhile_is_named(world: Audited) -> None:
    met = world.latest("user_states", "bo")["published"][0]

    def forgetful(state: dict[str, Any]) -> dict[str, Any]:
        seen = base64.b64decode(state["seen"]) + item_hash(met).to_bytes(8, "little")
        return state | {"seen": base64.b64encode(seen).decode()}

    world.change("user_states", "bo", forgetful)
    report = only_in_the_log(world)
    assert [finding.found for finding in report.differences] == [f"{met}, which is seen"]


def test_a_prior_that_lists_do_not_rest_on_is_found_in_the_lists(world: Audited) -> None:
    newest = world.find("item_stats", "epoch")
    epoch = json.loads(world.log[newest].value or b"")["epoch"]
    prior = {"type": "item.prior", "item_id": "mixed", "popularity": 1.0, "epoch": epoch}
    record = replace(world.log[newest], key=b"prior:mixed", value=json.dumps(prior).encode())
    world.log.insert(newest, record)
    report = world.verify()
    assert {what for _, what in found(report)} == {"top-k", "published"}
