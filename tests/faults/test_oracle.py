"""The oracle finds nothing in a log that is right, and each thing that can be wrong in one that was bent."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from glowplug.stream.step import Record
from tests.faults import handmade
from tests.faults.handmade import BROKEN, Log, change, good, history, item, letter_headers, listed, profile, state
from tests.faults.oracle import History, Spot, judge
from tests.faults.oracle.memory import folded

Bend = Callable[[Log], object]


def test_nothing_is_wrong_with_a_log_that_is_right() -> None:
    assert judge(history(good())) == []


def last(log: Log, topic: str) -> Record:
    return [record for record in log.records if record.topic == topic][-1]


def drop(log: Log, topic: str) -> None:
    log.records.remove(last(log, topic))


def again(log: Log, topic: str) -> None:
    """The last record of the topic, written a second time."""
    record = last(log, topic)
    log.add(topic, record.key, record.value, record.headers)


def with_field(log: Log, topic: str, **fields: Any) -> None:
    change(log, topic, lambda value: value | fields)


def read_twice(log: Log) -> None:
    with_field(log, "item_vectors", inferred={"themes": ["x"]})
    again(log, "item_vectors")


def deleted(log: Log) -> tuple[str, str]:
    """Where the user's state goes."""
    log.send("users", "u", None)
    log.add("user_vectors", "u", None, [("glowplug-source", b"id/0/1")])
    return "user_states", "u"


BENT: dict[str, tuple[str, Bend]] = {
    "an invalid input without its dead letter": ("dead letters", lambda log: drop(log, "dead_letters")),
    "two dead letters for one input": ("dead letters", lambda log: again(log, "dead_letters")),
    "a dead letter for a valid input": (
        "dead letters",
        lambda log: log.add("dead_letters", "a", b"{}", letter_headers(log.records[0])),
    ),
    "an item that was never embedded": ("vectors", lambda log: log.send("items", "d", item("d"))),
    "a vector of an earlier version": (
        "vectors",
        lambda log: log.send("items", "a", item("a", "e-2")),
    ),
    "a vector after a delete": ("vectors", lambda log: log.send("items", "a", None)),
    "an input embedded twice": ("nothing twice", lambda log: again(log, "item_vectors")),
    "an item that is read twice": (
        "nothing twice",
        read_twice,
    ),
    "a vector without its numbers": ("vectors", lambda log: with_field(log, "item_vectors", vector=None)),
    "the title of another version": ("vectors", lambda log: with_field(log, "item_vectors", title="Other")),
    "a text that nobody read": ("profiles", lambda log: drop(log, "user_profiles")),
    "a profile of an earlier text": (
        "profiles",
        lambda log: log.send("users", "u", {"type": "user.updated", "event_id": "e-2", "user_id": "u"}),
    ),
    "a text that was read twice": ("nothing twice", lambda log: again(log, "user_profiles")),
    "a profile after a delete": ("profiles", deleted),
    "a claim that rests on no words of the user": (
        "profiles",
        lambda log: change(log, "users", lambda said: said | {"text": "I like Jazz."}),
    ),
    "an interaction that is not passed on": (
        "rekeyed",
        lambda log: log.send("interactions", "u", None),
    ),
    "an interaction that is passed on twice": ("rekeyed", lambda log: again(log, "interactions_rekeyed")),
    "an interaction that is passed on with other bytes": (
        "rekeyed",
        lambda log: with_field(log, "interactions_rekeyed", item_id="c"),
    ),
    "an interaction that is not remembered": (
        "memory",
        lambda log: log.add("user_states", "u", state(["a"], at="3")),
    ),
    "an interaction applied twice": ("memory", lambda log: with_field(log, "user_states", evidence=2.0)),
    "a deleted user who is still there": ("memory", deleted),
    "a deleted user whose history is kept": (
        "memory",
        lambda log: log.add(*deleted(log), state([], likes="b", status="deleted")),
    ),
    "an interaction that does not count": ("counts", lambda log: drop(log, "item_stats")),
    "an interaction that counts twice": ("counts", lambda log: with_field(log, "item_stats", count=2.0)),
    "a count without an interaction": (
        "counts",
        lambda log: log.add("item_stats", "0:a", {"type": "item.count", "count": 1.0, "as_of": handmade.T0}),
    ),
    "a list without its best item": ("lists", lambda log: with_field(log, "user_states", raw=[], published=[])),
    "a list with a wrong score": (
        "lists",
        lambda log: with_field(log, "user_states", raw=[{"item_id": "a", "score": 1.24}]),
    ),
    "a list with what was seen": ("lists", lambda log: with_field(log, "user_states", published=["a", "b"])),
    "a list that is not the stored one": (
        "lists",
        lambda log: log.add("recommendations", "u", listed(["b"], [], at="3")),
    ),
    "a list of an old epoch": (
        "lists",
        lambda log: log.add("item_stats", "epoch", {"type": "epoch", "epoch": 1, "as_of": handmade.T0}),
    ),
    "an event that is answered twice": (
        "nothing twice",
        lambda log: log.add("recommendations", "u", listed(["a"], ["e-like"], at="3")),
    ),
    "an event that is never answered": ("covers", lambda log: with_field(log, "recommendations", covers=[])),
    "an audience told twice": ("nothing twice", lambda log: again(log, "item_audiences")),
    "an evidence that shrinks": (
        "versions",
        lambda log: (
            log.add("user_states", "u", state(["a"], likes="b", evidence=0.5)),
            log.add("user_states", "u", state(["a"], likes="b")),
        ),
    ),
    "a version that goes back": (
        "versions",
        lambda log: [log.add("user_states", "u", state(["a"], likes="b", version=n)) for n in (7, 0)],
    ),
    "a mark that goes back": (
        "versions",
        lambda log: log.add("user_states", "\0mark", {"type": "user.mark", "matched": {"0": 1}}),
    ),
    "an epoch written twice": (
        "nothing twice",
        lambda log: [
            log.add("item_stats", "epoch", {"type": "epoch", "epoch": 1, "as_of": handmade.T0}) for _ in range(2)
        ],
    ),
    "a record read twice": ("nothing twice", lambda log: log.records.append(log.records[-1])),
}


@pytest.mark.parametrize("what", list(BENT))
def test_what_is_wrong_with_a_log_is_found(what: str) -> None:
    rule, bend = BENT[what]
    log = good()
    bend(log)
    assert rule in {violation.rule for violation in judge(history(log))}


@pytest.mark.parametrize(
    "bend",
    [
        lambda letter: replace(letter, value=b"?"),
        lambda letter: replace(letter, key=b"other"),
        lambda letter: replace(letter, headers=letter.headers[1:]),
        lambda letter: replace(letter, headers=tuple(letter_headers(handmade.good().records[1], "too_large"))),
    ],
)
def test_a_dead_letter_has_bytes_headers_and_cause_of_its_input(
    bend: Callable[[Record], Record],
) -> None:
    log = good()
    at = log.records.index(last(log, "dead_letters"))
    assert log.records[at].value == BROKEN
    log.records[at] = bend(log.records[at])
    assert [violation.rule for violation in judge(history(log))] == ["dead letters"]


def test_a_record_that_a_later_reader_does_not_find_was_aborted() -> None:
    right = history(good())
    (violation,) = judge(replace(right, again=right.again - {Spot("recommendations", 0, 1)}))
    assert (violation.rule, violation.key) == ("nothing aborted", "recommendations/0/1")


def test_a_record_that_was_never_shown_was_missed() -> None:
    right = history(good())
    (violation,) = judge(replace(right, again=right.again | {Spot("recommendations", 0, 2)}))
    assert (violation.rule, violation.key) == ("nothing missed", "recommendations/0/2")


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("item:a", None),
        ("user:u", {"v": b"us/0/0"}),
        ("recs:u", {"v": b"re/0/1", "doc": b'{"type": "recommendations"}'}),
        ("item:b", {"vector": b"\0\0\0\0"}),
        ("recs:nobody", {"v": b"re/0/9", "doc": b"{}"}),
    ],
)
def test_a_value_in_redis_that_is_not_the_logs_is_found(key: str, fields: dict[str, bytes] | None) -> None:
    right = history(good())
    held = dict(right.values)
    if fields is None:
        del held[key]
    else:
        held[key] = {**(held.get(key) or {}), **fields}
    (violation,) = judge(replace(right, values=held))
    assert (violation.rule, violation.key) == ("redis", key)


def test_a_repeated_event_counts_once() -> None:
    event = {"event_id": "e", "item_id": "i", "action": "like"}
    memory = folded([event, event, event | {"event_id": "f", "action": "skip"}])
    assert [entry[1] for entry in memory.history] == ["like", "skip"]
    assert memory.evidence == pytest.approx(1.3)


def test_who_was_deleted_and_came_back_may_have_forgotten_the_first_of_their_interactions() -> None:
    log = good()
    log.send("users", "u", None)
    log.send(
        "users", "u", {"type": "user.created", "event_id": "e-back", "event_time": handmade.T0, "user_id": "u"}
    )
    source = {"offset": 2, "event_id": "e-back"}
    with_field(log, "user_vectors", source=source)
    log.add("user_profiles", "u", profile("ready", offset=2) | {"interests": []})
    for forgotten, raw in ((False, ["a"]), (True, ["a", "b"])):
        likes = None if forgotten else "b"
        log.add("user_states", "u", state(raw, likes=likes, version=2, at="4"))
        log.add("recommendations", "u", listed(raw, ["e-back"], at="4"))
        assert judge(history(log)) == []


def test_an_item_that_leaves_and_enters_again_may_be_answered_again() -> None:
    log = good()
    log.add("user_states", "u", state([], likes="b", at="3"))
    log.add("recommendations", "u", listed([], ["e-a"], at="3"))
    log.add("user_states", "u", state(["a"], likes="b", at="4"))
    log.add("recommendations", "u", listed(["a"], ["e-a"], at="4"))
    assert judge(history(log)) == []
    log.add("recommendations", "u", listed(["a"], ["e-a"], at="5"))
    assert [violation.rule for violation in judge(history(log))] == ["nothing twice"]


def test_the_seen_items_are_compared_in_their_order() -> None:
    log = good()
    seen = base64.b64encode(bytes(8)).decode()
    with_field(log, "user_states", seen=seen)
    assert "memory" in {violation.rule for violation in judge(history(log))}


def test_a_history_of_nothing_has_nothing_wrong() -> None:
    assert judge(History(())) == []


def test_an_item_that_is_read_comes_once_more_with_what_was_inferred() -> None:
    log = good()
    again(log, "item_vectors")
    with_field(log, "item_vectors", inferred={"themes": ["x"]})
    assert judge(history(log)) == []
