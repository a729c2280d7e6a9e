"""One batch's effects in one Kafka transaction: outputs, dead letters and input offsets, all or none."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as Delivered

from glowplug.errors import Recoverable
from glowplug.stream.bounded import bounded
from glowplug.stream.reader import ClientsLost, raise_if_final
from glowplug.stream.step import Headers

T = TypeVar("T")

RETRY_S = 0.005  # like librdkafka's retry.backoff.ms of ours: the broker is done with the last one by then
QUEUE_FULL_S = 0.05  # the producer's queue drains by thousands in this time
WAKE_S = 1.0  # a broker that is there answers in milliseconds
CLOSE_S = 0.1  # purged messages call back at once; this is for the thread that says so
TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
# After one of these it is not known whether the broker did what it was asked: librdkafka lacks KIP-890's client
# side, so a further transaction of this producer could take in what is left of the last.
UNDECIDED = frozenset({KafkaError._TIMED_OUT, KafkaError.REQUEST_TIMED_OUT, KafkaError._MSG_TIMED_OUT})


@dataclass(frozen=True, slots=True)
class Message:
    """What is handed to the client. topic: the cluster's name. timestamp_ms: 0 is the time of producing."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int = -1
    timestamp_ms: int = 0

    def __len__(self) -> int:
        return len(self.key or b"") + len(self.value or b"")


class Aborted(Recoverable):
    """Nothing of the transaction is visible; the same records give the same effects once more."""


class RefusedBySize(Aborted):
    """Aborted, because the broker takes no record as large as `message`."""

    def __init__(self, message: Message, reason: str) -> None:
        super().__init__(f"{message.topic} takes no record of {len(message)} bytes: {reason}")
        self.message = message


class Transactions:
    """A transactional producer, used from one thread."""

    def __init__(self, producer: Producer, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._producer = producer
        self._timeout_s = timeout_s
        self._clock = clock
        self._failed: tuple[Message | None, KafkaError] | None = None

    def open(self) -> None:
        """Fence whoever used this transactional id before, and end what they left open. Raises ClientsLost."""
        try:
            self._call(lambda: self._producer.init_transactions(self._timeout_s))
        except _MustAbort as error:
            raise ClientsLost(str(error)) from error

    def commit(
        self,
        messages: Sequence[Message],
        offsets: list[TopicPartition],
        group: Any,
        reached: Callable[[str], None],
    ) -> None:
        """All of it, or Aborted (RefusedBySize) and nothing, or ClientsLost and it is not known.

        group:   the consumer group metadata as they were when the records were polled. With fresher ones the
                 broker could not tell that the partitions have moved to somebody else.
        reached: told of each place between the calls.
        """
        self._failed = None
        try:
            self._call(self._producer.begin_transaction)
            reached("after_begin")
            for message in messages:
                self._produce(message)
            reached("after_produce")
            if offsets:
                # Before the flush: the coordinator writes the offsets while the leaders write the records.
                self._call(lambda: self._send_offsets(offsets, group))
            reached("after_send_offsets")
            self._flush()
            self._call(lambda: self._producer.commit_transaction(self._timeout_s))
        except _MustAbort as error:
            self._abort()
            if error.refused is not None:
                raise RefusedBySize(error.refused, str(error)) from error
            raise Aborted(str(error)) from error
        reached("after_commit")

    def close(self) -> None:
        """Throw the producer away; an open transaction is left to the next owner of its id, or to its timeout."""
        # Each by itself: after a fence purge raises, and what is then still undelivered would call back while the
        # client is being destroyed, where an exception stays set and surfaces in whatever call comes next.
        for last in (self._producer.purge, lambda: self._producer.flush(CLOSE_S), lambda: self._producer.poll(0)):
            with contextlib.suppress(KafkaException, SystemError):  # it is being thrown away
                last()

    def _produce(self, message: Message) -> None:
        def delivered(error: KafkaError | None, _: Delivered) -> None:
            if error is not None and self._failed is None:
                self._failed = (message, error)

        deadline = self._clock() + self._timeout_s
        while True:
            try:
                self._producer.produce(
                    message.topic,
                    message.value,
                    message.key,
                    message.partition,
                    on_delivery=delivered,
                    timestamp=message.timestamp_ms,
                    headers=list(message.headers),
                )
            except BufferError:
                if self._clock() > deadline:
                    raise ClientsLost("the producer's queue does not drain") from None
                self._served(lambda: self._producer.poll(QUEUE_FULL_S))
            except KafkaException as error:
                raise self._verdict(error.args[0], message) from error
            else:
                return

    def _send_offsets(self, offsets: list[TopicPartition], group: Any) -> None:
        """librdkafka never looks at this call's timeout (librdkafka#5456): where the group's coordinator died it
        waits for one of its connections to change, which none may do by itself. To ask for metadata opens one where
        none is left; else the broker closes one that idles (connections.max.idle.ms, 10 minutes)."""
        bounded(
            lambda: self._producer.send_offsets_to_transaction(offsets, group, self._timeout_s),
            self._timeout_s,
            self._wake,
        )

    def _wake(self) -> None:
        with contextlib.suppress(KafkaException):
            self._producer.list_topics(timeout=WAKE_S)

    def _flush(self) -> None:
        """Wait for every record's delivery report: a commit must not follow a record that failed."""
        if self._served(lambda: self._producer.flush(self._timeout_s)) > 0:
            raise ClientsLost(f"records were not delivered within {self._timeout_s:g} s")
        if self._failed is not None:
            message, error = self._failed
            raise self._verdict(error, message)

    def _served(self, serve: Callable[[], T]) -> T:
        """poll and flush tell a fatal error, a fence above all, by raising it."""
        try:
            return serve()
        except KafkaException as error:
            raise self._verdict(error.args[0], None) from error

    def _verdict(self, error: KafkaError, message: Message | None) -> Exception:
        """What a record that could not be produced amounts to."""
        if error.fatal() or error.code() in UNDECIDED:
            return ClientsLost(error.str())
        return _MustAbort(error, message if error.code() in TOO_LARGE else None)

    def _call(self, call: Callable[[], T]) -> T:
        """Retriable: the same call again. Abortable: _MustAbort. All else, timeouts included: ClientsLost."""
        deadline = self._clock() + self._timeout_s
        while True:
            try:
                return call()
            except KafkaException as exception:
                error: KafkaError = exception.args[0]
                if error.txn_requires_abort() and not error.fatal():
                    failed = self._failed or (None, error)
                    refused = failed[0] if failed[1].code() in TOO_LARGE else None
                    raise _MustAbort(error, refused) from exception
                raise_if_final(error)
                if error.code() in UNDECIDED or not error.retriable() or self._clock() > deadline:
                    raise ClientsLost(error.str()) from exception
                time.sleep(RETRY_S)

    def _abort(self) -> None:
        try:
            self._call(lambda: self._producer.abort_transaction(self._timeout_s))
        except _MustAbort as error:
            raise ClientsLost(str(error)) from error


class _MustAbort(Exception):
    def __init__(self, error: KafkaError, refused: Message | None = None) -> None:
        super().__init__(error.str())
        self.refused = refused
