"""What the topics alone say: versions, places, and records about one user that belong together."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from glowplug.audit.log import Log
from glowplug.audit.verify import verify
from glowplug.stream.positions import Place
from tests.support.audited import (
    Audited,
    Y,
    found,
    only_in_the_log,
    small_world,
    the_only,
)


@pytest.fixture
def world() -> Audited:
    return small_world()


def test_a_version_that_goes_back_is_named(world: Audited) -> None:
    world.item("y", Y)
    world.change("item_vectors", "y", lambda item: item | {"source": item["source"] | {"version": 7}})
    world.item("y", Y)
    world.settle()
    finding = the_only(only_in_the_log(world))
    assert (finding.key, finding.expected, finding.found) == ("item_vectors y", "7 or later", "0")


def test_a_version_that_goes_back_because_the_topic_is_another_one_is_right(world: Audited) -> None:
    world.item("y", Y)
    old = {"version": 7, "topic_id": "the old one"}
    world.change("item_vectors", "y", lambda item: item | {"source": item["source"] | old})
    world.item("y", Y)
    world.settle()
    assert found(only_in_the_log(world)) == []


def test_a_tombstone_counts_with_the_version_in_its_headers(world: Audited) -> None:
    world.drop("y")  # of version 99
    world.item("y", Y)
    world.settle()
    finding = the_only(only_in_the_log(world))
    assert (finding.key, finding.expected, finding.found) == ("item_vectors y", "99 or later", "0")


def test_a_key_on_a_partition_where_nobody_looks_for_it_is_named(world: Audited) -> None:
    at = world.find("user_vectors", "quiet")
    right = world.log[at].partition
    world.log[at] = replace(world.log[at], partition=(right + 1) % 6)
    report = world.verify()
    assert ("user_vectors quiet", "partition") in found(report)


@pytest.mark.parametrize(
    ("topic", "key", "change", "what"),
    [
        ("recommendations", "bo", None, ("recommendations bo", "list")),
        ("user_vectors", "bo", None, ("user_states bo", "status")),
        ("user_states", "bo", None, ("user_states bo", "status")),
        ("user_vectors", "gone", "bo", ("user_states gone", "status")),
        ("recommendations", "gone", "bo", ("recommendations gone", "list")),
    ],
)
def test_a_list_a_state_and_a_user_that_do_not_belong_together_are_named(
    world: Audited, topic: str, key: str, change: str | None, what: tuple[str, str]
) -> None:
    other = world.latest(topic, change) | {"user_id": key} if change else None
    world.change(topic, key, lambda _: other)
    assert what in found(only_in_the_log(world))


def test_a_state_of_another_version_of_the_user_is_named(world: Audited) -> None:
    world.change("user_states", "bo", lambda state: state | {"version": 41})
    finding = the_only(only_in_the_log(world))
    assert (finding.key, finding.what, finding.found) == ("user_states bo", "version", "41")


def test_a_record_that_nobody_can_read_is_named(world: Audited) -> None:
    world.change("item_vectors", "z", lambda item: item | {"available": "perhaps"})
    report = only_in_the_log(world)
    (finding,) = [one for one in report.differences if one.key == "item_vectors z"]
    assert "available" in finding.found


def test_hashes_of_met_items_that_are_cut_off_are_named(world: Audited) -> None:
    world.change("user_states", "bo", lambda state: state | {"seen": "AAAA"})
    assert ("user_states bo", "value at offset") in [
        (key, what.rpartition(" ")[0]) for key, what in found(only_in_the_log(world))
    ]


def test_a_mark_beyond_the_end_of_the_items_is_named(world: Audited) -> None:
    at, mark = max((at, record) for at, record in enumerate(world.log) if record.key == b"\x00mark")
    body = json.loads(mark.value or b"")
    number = next(iter(body["matched"]))
    world.log[at] = replace(mark, value=json.dumps(body | {"matched": {number: 1_000}}).encode())
    assert f"matched in item_vectors/{number}" in [what for _, what in found(world.verify())]


def test_a_log_that_lost_its_beginning_is_checked_as_far_as_it_goes_and_says_so(world: Audited) -> None:
    whole = world.snapshot()
    lost = Place("item_vectors", world.log[world.find("item_vectors", "x")].partition)
    kept = [record for record in world.log if (record.topic, record.partition) != lost]
    begins = {lost: whole.ends[lost]}
    cut = replace(whole, log=Log(kept), begins=begins, is_builtin=True, committed={})
    report = verify(cut, world.settings)
    assert report.differences == ()
    assert report.lists == 0
    assert any("built-in" in sentence for sentence in report.unchecked)
    assert any("item_vectors" in sentence for sentence in report.unchecked)


def test_on_the_builtin_broker_a_whole_log_is_compared_in_everything(world: Audited) -> None:
    report = verify(replace(world.snapshot(), is_builtin=True, committed={}), world.settings)
    assert report.is_good(strict=True)
    assert report.lists == 3
    world.change("user_states", "ada", lambda state: state | {"published": state["published"][::-1]})
    assert not verify(replace(world.snapshot(), committed={}), world.settings).is_good()
