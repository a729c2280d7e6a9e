"""What is written about invalid records, and when there are too many of them."""

from __future__ import annotations

import pytest

from glowplug.errors import Fatal, MalformedJson, SchemaViolation, TooManyDeadLetters
from glowplug.settings import Settings
from glowplug.stream.dead_letters import RatioGuard, letter, oversized, size_of
from glowplug.stream.effects import Prepared, prepare
from glowplug.stream.reader import Names
from glowplug.stream.step import DeadLetter, Effects, Outgoing
from glowplug.stream.transaction import Message
from tests.support.records import record

NAMES = Names(Settings())


def letter_of(dead: DeadLetter, omit_over: int | None = None) -> Message:
    return letter(dead, consumer="c", source="interactions", topic="dead-letters", omit_over=omit_over)


def prepared(effects: Effects[None], limit: int = 1_000, omit_over: int | None = None) -> Prepared:
    return prepare(effects, consumer="c", names=NAMES, limit=limit, omit_over=omit_over)


def test_a_null_key_and_a_null_value_stay_null() -> None:
    message = letter_of(DeadLetter(record(key=None, value=None), MalformedJson("no")))

    assert (message.key, message.value) == (None, None)


def test_a_long_message_is_cut_between_characters() -> None:
    message = letter_of(DeadLetter(record(), SchemaViolation("é" * 1_000)))

    assert dict(message.headers)["glowplug-message"].decode() == "é" * 200


def test_our_headers_take_less_than_a_kilobyte() -> None:
    message = letter_of(DeadLetter(record(2**62, partition=99_999), SchemaViolation("x" * 9_999)))

    assert sum(len(name) + len(value) for name, value in message.headers) < 1_000


def test_only_letters_over_the_refused_size_lose_their_value() -> None:
    small, large = (DeadLetter(record(value=b"x" * size), MalformedJson("no")) for size in (10, 5_000))

    assert letter_of(small, omit_over=4_000).value == b"x" * 10
    assert letter_of(large, omit_over=4_000).value is None
    assert dict(letter_of(large, omit_over=4_000).headers)["glowplug-omitted-bytes"] == b"5000"


def test_the_size_of_an_output_counts_key_value_and_headers() -> None:
    plain = Outgoing("user_states", "é", b"12345")
    with_headers = Outgoing("user_states", "é", b"12345", headers=(("name", b"value"),))

    assert size_of(plain) >= 2 + 5
    assert size_of(with_headers) >= size_of(plain) + len("name") + len("value")
    assert oversized(plain, size_of(plain)) is None
    assert "stream.max_record_bytes" in str(oversized(plain, size_of(plain) - 1))


def test_outputs_go_first_in_order_and_under_the_cluster_s_names() -> None:
    outgoing = (Outgoing("user_states", "a", b"1"), Outgoing("item_stats", "b", None, partition=3))
    dead = (DeadLetter(record(), MalformedJson("no")),)

    result = prepared(Effects(None, outgoing, dead))

    assert [(m.topic, m.key, m.value, m.partition) for m in result.messages] == [
        ("user-states", b"a", b"1", -1),
        ("item-stats", b"b", None, 3),
        ("dead-letters", b"k", b"{}", -1),
    ]
    assert result.outputs == {"user_states": 1, "item_stats": 1}
    assert result.causes == ("malformed_json",)


def test_two_oversized_outputs_of_one_input_are_one_dead_letter() -> None:
    cause = record(7)
    large = Outgoing("user_states", "k", b"x" * 2_000, cause=cause)

    result = prepared(Effects(None, (large, large)))

    assert result.causes == ("too_large",)
    assert len(result.messages) == 1


def test_an_oversized_output_without_a_cause_is_fatal() -> None:
    with pytest.raises(Fatal, match=r"user_states, key k.*stream\.max_record_bytes"):
        prepared(Effects(None, (Outgoing("user_states", "k", b"x" * 2_000),)))


def test_too_large_a_share_stops_and_names_the_commonest_cause() -> None:
    guard = RatioGuard(window=100, ratio=0.5, consumer="c")
    guard.count(10, ["malformed_json"] * 3 + ["missing_key"] * 2)

    with pytest.raises(
        TooManyDeadLetters, match=r"6 of the last 11 records are invalid.*4 of them for malformed_json"
    ):
        guard.count(1, ["malformed_json"])


def test_a_share_of_few_records_says_nothing() -> None:
    guard = RatioGuard(window=1_000, ratio=0.1, consumer="c")

    guard.count(49, ["malformed_json"] * 49)
    with pytest.raises(TooManyDeadLetters):
        guard.count(1, [])


def test_old_records_leave_the_window() -> None:
    guard = RatioGuard(window=20, ratio=0.5, consumer="c")
    for _ in range(100):
        guard.count(2, ["malformed_json"])  # half of them, which is not more than half

    guard.count(20, [])
    guard.count(10, ["malformed_json"] * 10)
    with pytest.raises(TooManyDeadLetters, match="11 of the last 20"):
        guard.count(1, ["malformed_json"])
