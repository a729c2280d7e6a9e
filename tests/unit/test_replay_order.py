"""In which order a stream goes out: as it happened, at which pace, and who waits for whom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from glowplug.errors import BadInputFile
from producers.timeline import Moment, cut, in_order, read
from producers.turns import ByTime, ClosedLoop, Turns

START = datetime(2026, 3, 1, tzinfo=UTC)
LIMIT = 2_000


def at(seconds: float, user_id: str, event_id: str = "", topic: str = "interactions") -> Moment:
    moment = START + timedelta(seconds=seconds)
    item_id = "i" if topic == "interactions" else ""
    return Moment(moment, topic, user_id, event_id or f"{user_id}{seconds:g}", b"", user_id, item_id)


def item_at(seconds: float, item_id: str) -> Moment:
    return Moment(START + timedelta(seconds=seconds), "items", item_id, item_id, b"", item_id=item_id)


def sendable(turns: Turns, now: float = 0.0) -> list[str]:
    """What goes out now, without any answer."""
    found = []
    while (moment := turns.next(now)) is not None:
        found.append(moment.event_id)
    return found


# ---- the timeline ----------------------------------------------------------------------------------------


def test_things_are_in_place_before_they_are_met() -> None:
    moments = [at(5, "ada", "met"), at(5, "ada", "signed up", "users"), item_at(5, "listed"), at(1, "bob", "early")]
    assert [moment.event_id for moment in in_order(moments)] == ["early", "listed", "signed up", "met"]


def test_the_files_order_holds_at_equal_times() -> None:
    moments = [at(1, f"u{number}") for number in range(20)]
    assert in_order(moments) == moments


def test_a_seed_draws_another_order_at_equal_times_and_always_the_same() -> None:
    moments = [at(1, f"u{number}") for number in range(20)]
    assert in_order(moments, seed=0) == in_order(moments[::-1], seed=0)
    assert in_order(moments, seed=0) != in_order(moments, seed=1)
    assert in_order([at(2, "late"), at(1, "early")], seed=3)[0].user_id == "early"


def test_the_tail_starts_at_its_first_interaction() -> None:
    moments = [
        item_at(0, "i"),
        at(0, "ada", topic="users"),
        at(1, "ada"),
        at(2, "bob", topic="users"),
        at(3, "bob"),
    ]
    assert cut(moments, 2) == 2
    assert cut(moments, 1) == 4


def test_without_a_tail_only_the_items_that_come_first_are_imported() -> None:
    assert cut([item_at(0, "i"), at(0, "ada", topic="users"), item_at(1, "j")], None) == 1
    assert cut([item_at(0, "i")], None) == 1


def test_a_tail_longer_than_the_stream_is_refused() -> None:
    with pytest.raises(BadInputFile, match=r"--tail 3: there are 1 interactions"):
        cut([at(0, "ada")], 3)


def test_a_folder_of_events_is_read_into_one_stream(tmp_path: Path) -> None:
    write(tmp_path / "interactions.jsonl", [
        {"type": "interaction", "user_id": "ada", "item_id": "i", "action": "rating", "value": 0.75},
        {"type": "interaction", "user_id": "ada", "item_id": "i", "action": "rating", "value": 0.5},
        {"type": "interaction", "user_id": "ada", "item_id": "i", "action": "purchase"},
    ])  # fmt: skip
    write(tmp_path / "items.jsonl", [
        {"type": "item.created", "item_id": "i"},
        {"type": "item.updated", "item_id": "i", "available": False},
        {"type": "item.deleted", "item_id": "i"},
    ])  # fmt: skip
    moments = read(tmp_path, LIMIT)
    assert [(moment.topic, moment.key, moment.is_like, moment.is_gone) for moment in moments] == [
        ("items", "i", False, False),
        ("items", "i", False, True),
        ("items", "i", False, True),
        ("interactions", "ada", True, False),
        ("interactions", "ada", False, False),
        ("interactions", "ada", True, False),
    ]


def test_a_folder_of_atomic_files_is_read_likewise(tmp_path: Path) -> None:
    (tmp_path / "set.item").write_text("item_id:token\tmovie_title:token_seq\n7\tA Film\n")
    (tmp_path / "set.user").write_text("user_id:token\n1\n")
    (tmp_path / "set.inter").write_text("user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t7\t4\t9\n")
    assert [(moment.topic, moment.key, moment.is_like) for moment in read(tmp_path, LIMIT)] == [
        ("items", "7", False),
        ("users", "1", False),
        ("interactions", "1", True),
    ]


def test_a_bad_line_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("{}\n")
    with pytest.raises(BadInputFile, match=r"items\.jsonl, line 1: type is missing"):
        read(tmp_path, LIMIT)


def test_what_is_no_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInputFile, match="is no folder"):
        read(tmp_path / "absent", LIMIT)


def write(path: Path, events: Sequence[dict[str, object]]) -> None:
    common = {"event_time": "2026-03-01T00:00:00Z"}
    path.write_text(
        "".join(json.dumps({"event_id": f"e{n}"} | common | event) + "\n" for n, event in enumerate(events))
    )


# ---- by time ---------------------------------------------------------------------------------------------


def test_time_runs_by_the_factor() -> None:
    turns = ByTime([at(100, "ada", "first"), at(110, "bob", "second")], factor=10)
    assert sendable(turns, now=50.0) == ["first"]
    assert turns.pause(50.25) == pytest.approx(0.75)
    assert sendable(turns, now=50.5) == []
    assert sendable(turns, now=51.0) == ["second"]
    assert turns.is_done


# ---- in a closed loop ------------------------------------------------------------------------------------


def test_a_users_next_event_waits_for_the_answer_to_the_last() -> None:
    turns = ClosedLoop([at(1, "ada"), at(2, "ada"), at(3, "ada")], in_flight=9)
    assert sendable(turns) == ["ada1"]
    turns.answered("ada")
    assert sendable(turns) == ["ada2"]
    assert not turns.is_done
    turns.answered("ada")
    assert sendable(turns) == ["ada3"]
    turns.answered("ada")
    assert sendable(turns) == []
    assert turns.is_done


def test_users_who_wait_are_overtaken_and_come_next_when_answered() -> None:
    turns = ClosedLoop([at(1, "ada"), at(2, "ada"), at(3, "bob"), at(4, "cleo")], in_flight=2)
    assert sendable(turns) == ["ada1", "bob3"]
    turns.answered("ada")
    assert sendable(turns) == ["ada2"]  # before cleo, who was later
    turns.answered("bob")
    assert sendable(turns) == ["cleo4"]


def test_no_more_users_wait_than_are_allowed_in_flight() -> None:
    turns = ClosedLoop([at(number, f"u{number}") for number in range(9)], in_flight=3)
    assert len(sendable(turns)) == 3
    turns.answered("u0")
    assert sendable(turns) == ["u33"]


def test_no_more_events_are_set_aside_than_looked_ahead() -> None:
    turns = ClosedLoop([*(at(number, "ada") for number in range(4)), at(9, "bob")], in_flight=9, lookahead=3)
    assert sendable(turns) == ["ada0"]
    turns.answered("ada")
    assert sendable(turns) == ["ada1", "bob9"]


def test_items_wait_for_nobody() -> None:
    turns = ClosedLoop([item_at(1, "i"), item_at(2, "j"), at(3, "ada"), item_at(4, "k")], in_flight=1)
    assert sendable(turns) == ["i", "j", "ada3"]  # one user in flight: the stream stands until the answer
    turns.answered("ada")
    assert sendable(turns) == ["k"]
    assert turns.is_done


def test_an_answer_for_a_user_who_does_not_wait_changes_nothing() -> None:
    turns = ClosedLoop([at(1, "ada"), at(2, "ada")], in_flight=1)
    turns.answered("ada")
    assert sendable(turns) == ["ada1"]
    turns.answered("bob")
    assert sendable(turns) == []
