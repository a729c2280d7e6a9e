"""What each error of a transactional producer leads to; the producer is scripted, the verdicts are ours."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from glowplug.errors import BadSettings
from glowplug.stream.reader import ClientsLost
from glowplug.stream.transaction import Aborted, Message, RefusedBySize, Transactions

MESSAGE = Message("topic", b"k", b"v")
RETRIABLE = KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, "loading", retriable=True)
ABORTABLE = KafkaError(KafkaError.ILLEGAL_GENERATION, "old", txn_requires_abort=True)
FENCED = KafkaError(KafkaError._FENCED, "fenced", fatal=True, txn_requires_abort=True)
TIMED_OUT = KafkaError(KafkaError._TIMED_OUT, "late", retriable=True)
ODD = KafkaError(KafkaError.UNKNOWN, "odd")
FORBIDDEN = KafkaError(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "no")
TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "large")


class Scripted:
    """Raises, at each call of a method, the next error of its script; then succeeds. Keeps the calls."""

    def __init__(self, **script: list[KafkaError]) -> None:
        self.calls: list[str] = []
        self.undelivered = 0
        self.delivery: KafkaError | None = None
        self._script = script
        self._callbacks: list[Callable[[KafkaError | None, Any], None]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*_: object) -> None:
            self.calls.append(name)
            if errors := self._script.get(name):
                raise KafkaException(errors.pop(0))

        return call

    def produce(self, *_: object, on_delivery: Callable[[KafkaError | None, Any], None], **__: object) -> None:
        self.calls.append("produce")
        self._callbacks.append(on_delivery)
        if errors := self._script.get("produce"):
            raise KafkaException(errors.pop(0))

    def flush(self, _: float) -> int:
        self.calls.append("flush")
        for callback in self._callbacks:
            callback(self.delivery, None)
        return self.undelivered


class Hanging(Scripted):
    """Does not come back from sending offsets until it is asked for metadata, or ever."""

    def __init__(self, *, wakes: bool) -> None:
        super().__init__()
        self.woken = threading.Event()
        self._wakes = wakes

    def send_offsets_to_transaction(self, *_: object) -> None:
        assert self.woken.wait(10)

    def list_topics(self, *, timeout: float) -> None:  # noqa: ARG002  named by the client
        self.calls.append("list_topics")
        if self._wakes:
            self.woken.set()


def commit(producer: Scripted, reached: Callable[[str], None] = lambda _: None) -> None:
    transactions = Transactions(cast("Producer", producer), timeout_s=5.0)
    transactions.commit([MESSAGE], cast("Any", ["offsets"]), "group", reached)


def test_a_commit_begins_produces_sends_offsets_waits_for_the_deliveries_and_commits() -> None:
    producer = Scripted()
    points: list[str] = []

    commit(producer, points.append)

    assert producer.calls == [
        "begin_transaction", "produce", "send_offsets_to_transaction", "flush", "commit_transaction"
    ]  # fmt: skip
    assert points == ["after_begin", "after_produce", "after_send_offsets", "after_commit"]


@pytest.mark.parametrize("call", ["begin_transaction", "send_offsets_to_transaction", "commit_transaction"])
def test_a_retriable_error_is_the_same_call_again(call: str) -> None:
    producer = Scripted(**{call: [RETRIABLE, RETRIABLE]})

    commit(producer)

    assert producer.calls.count(call) == 3
    assert "abort_transaction" not in producer.calls


@pytest.mark.parametrize("call", ["produce", "send_offsets_to_transaction", "commit_transaction"])
def test_an_abortable_error_aborts(call: str) -> None:
    producer = Scripted(**{call: [ABORTABLE]})

    with pytest.raises(Aborted):
        commit(producer)

    assert producer.calls[-1] == "abort_transaction"


@pytest.mark.parametrize("error", [FENCED, TIMED_OUT, ODD])
@pytest.mark.parametrize("call", ["begin_transaction", "send_offsets_to_transaction", "commit_transaction"])
def test_after_any_other_error_the_clients_are_lost(call: str, error: KafkaError) -> None:
    producer = Scripted(**{call: [error]})

    with pytest.raises(ClientsLost):
        commit(producer)

    assert "abort_transaction" not in producer.calls


def test_an_abort_that_fails_loses_the_clients() -> None:
    with pytest.raises(ClientsLost):
        commit(Scripted(commit_transaction=[ABORTABLE], abort_transaction=[TIMED_OUT]))


def test_a_refused_permission_is_told_as_such() -> None:
    with pytest.raises(BadSettings, match=r"kafka\.properties"):
        commit(Scripted(begin_transaction=[FORBIDDEN]))


def test_a_record_that_was_not_delivered_prevents_the_commit() -> None:
    producer = Scripted()
    producer.delivery = ODD

    with pytest.raises(Aborted):
        commit(producer)

    assert "commit_transaction" not in producer.calls


def test_records_still_under_way_after_the_time_lose_the_clients() -> None:
    producer = Scripted()
    producer.undelivered = 1

    with pytest.raises(ClientsLost, match="not delivered within 5 s"):
        commit(producer)


@pytest.mark.parametrize("where", ["produce", "delivery"])
def test_a_record_refused_by_size_is_named(where: str) -> None:
    producer = Scripted(produce=[TOO_LARGE] if where == "produce" else [])
    producer.delivery = TOO_LARGE

    with pytest.raises(RefusedBySize) as caught:
        commit(producer)

    assert caught.value.message == MESSAGE
    assert producer.calls[-1] == "abort_transaction"


def test_opening_again_and_again_until_the_coordinator_is_loaded() -> None:
    producer = Scripted(init_transactions=[RETRIABLE] * 3)

    Transactions(cast("Producer", producer), timeout_s=5.0).open()

    assert producer.calls == ["init_transactions"] * 4


@pytest.mark.parametrize(("wakes", "asked"), [(True, 1), (False, 3)])
def test_a_client_that_hangs_over_the_offsets_is_woken_and_given_up(wakes: bool, asked: int) -> None:
    producer = Hanging(wakes=wakes)
    transactions = Transactions(cast("Producer", producer), timeout_s=0.05)

    with pytest.raises(ClientsLost, match=r"did not answer within 0\.05 s"):
        transactions.commit([MESSAGE], cast("Any", ["offsets"]), "group", lambda _: None)
    producer.woken.set()

    assert producer.calls == ["begin_transaction", "produce", *["list_topics"] * asked]
