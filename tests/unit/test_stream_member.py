"""What comes out of the client's poll, and what goes into it around a rebalance; the client is scripted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from glowplug.errors import BadSettings
from glowplug.settings import Settings
from glowplug.stream.member import Member
from glowplug.stream.positions import Place
from glowplug.stream.reader import ClientsLost, End, Names

HERE = Place("interactions", 0)


class Scripted:
    """A client whose polls hand out `messages`, or raise `error`."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.error: KafkaError | None = None
        self.calls: list[tuple[str, list[tuple[int, int]]]] = []
        self.callbacks: dict[str, Callable[[Any, list[TopicPartition]], None]] = {}

    def subscribe(self, _: list[str], **callbacks: Callable[[Any, list[TopicPartition]], None]) -> None:
        self.callbacks = callbacks

    def consume(self, most: int, _: float) -> list[Message]:
        if self.error is not None:
            raise KafkaException(self.error)
        handed, self.messages = self.messages[:most], self.messages[most:]
        return handed

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(partitions: list[TopicPartition] | None = None, *_: object) -> None:
            self.calls.append((name, [(each.partition, each.offset) for each in partitions or []]))

        return call


class Told:
    def __init__(self) -> None:
        self.given: list[frozenset[Place]] = []
        self.taken: list[tuple[frozenset[Place], bool]] = []


def joined(client: Scripted, told: Told | None = None, *, is_incremental: bool = True) -> Member:
    told = told or Told()
    return Member(
        cast("Consumer", client),
        Names(Settings()),
        ["interactions"],
        is_incremental=is_incremental,
        given=told.given.append,
        taken=lambda places, is_lost: told.taken.append((places, is_lost)),
    )


def message(offset: int, error: int | None = None) -> Message:
    fault = None if error is None else KafkaError(error, "told by the client")
    return Message("interactions", 0, offset, b"k", b"v", [], fault, (1, 0))


def test_ends_and_records_come_in_the_order_in_which_the_client_met_them() -> None:
    client = Scripted()
    client.messages = [message(4), message(5, KafkaError._PARTITION_EOF), message(5)]

    polled = joined(client).poll(10, 0.1)

    assert [each if isinstance(each, End) else each.offset for each in polled] == [4, End(HERE, 5), 5]


def test_an_error_that_only_informs_is_no_record() -> None:
    client = Scripted()
    client.messages = [message(0, KafkaError._ALL_BROKERS_DOWN), message(0, KafkaError.UNKNOWN_TOPIC_OR_PART)]

    assert joined(client).poll(10, 0.1) == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.GROUP_AUTHORIZATION_FAILED, BadSettings),
        (KafkaError._UNSUPPORTED_FEATURE, BadSettings),
    ],
)
def test_an_error_that_a_person_has_to_mend_is_raised(code: int, kind: type[Exception]) -> None:
    client = Scripted()
    client.messages = [message(0, code)]

    with pytest.raises(kind):
        joined(client).poll(10, 0.1)


def test_a_client_that_ends_for_good_says_so_in_a_message_without_the_flag_and_is_lost() -> None:
    client = Scripted()
    client.messages = [message(0, KafkaError._FATAL)]
    assert not KafkaError(KafkaError._FATAL).fatal()

    with pytest.raises(ClientsLost):
        joined(client).poll(10, 0.1)


def test_a_client_that_raises_is_lost() -> None:
    client = Scripted()
    client.error = KafkaError(KafkaError._STATE, "it has been closed")

    with pytest.raises(ClientsLost):
        joined(client).poll(10, 0.1)


@pytest.mark.parametrize(
    ("is_incremental", "assign", "unassign"),
    [(True, "incremental_assign", "incremental_unassign"), (False, "assign", "unassign")],
)
def test_new_partitions_are_paused_before_they_are_told_and_told_before_they_go(
    is_incremental: bool, assign: str, unassign: str
) -> None:
    client, told = Scripted(), Told()
    member = joined(client, told, is_incremental=is_incremental)
    partitions = [TopicPartition("interactions", 0)]

    client.callbacks["on_assign"](client, partitions)
    assert [name for name, _ in client.calls] == [assign, "pause"]
    assert (told.given, member.owned) == ([frozenset({HERE})], {HERE})

    client.callbacks["on_revoke"](client, partitions)
    assert client.calls[-1][0] == unassign
    assert (told.taken, member.owned) == ([(frozenset({HERE}), False)], set())


def test_lost_partitions_are_told_as_lost() -> None:
    client, told = Scripted(), Told()
    joined(client, told)

    client.callbacks["on_lost"](client, [TopicPartition("interactions", 0)])

    assert told.taken == [(frozenset({HERE}), True)]


def test_resuming_wakes_the_client_with_a_request() -> None:
    client = Scripted()
    member = joined(client)
    client.callbacks["on_assign"](client, [TopicPartition("interactions", 0)])
    client.calls.clear()

    member.resume([HERE, Place("interactions", 1)])

    assert client.calls == [("resume", [(0, -1001)]), ("offsets_for_times", [(0, 0)])]
