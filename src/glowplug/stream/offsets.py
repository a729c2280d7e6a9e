"""Where partitions begin and end, as the broker says now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec

from glowplug.errors import BrokerUnavailable
from glowplug.stream.positions import Place
from glowplug.stream.reader import Names, raise_if_final

SPEC: Any = OffsetSpec  # its methods carry no types
ANSWER_S = 5.0  # a broker that just made its topics took over two; the caller polls its consumer between attempts
# Answers to somebody who has not heard that a partition's leader changed, or was restarted.
OLD_LEADERS = frozenset(
    {KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.NOT_LEADER_FOR_PARTITION}
)


class Question:
    """Offsets asked for and not yet answered."""

    def __init__(self, futures: dict[Place, Future[ListOffsetsResultInfo]], renew: Callable[[], None]) -> None:
        """renew: called where the client that asked is told that it asks the wrong leader."""
        self._futures = futures
        self._renew = renew

    @property
    def is_answered(self) -> bool:
        return all(future.done() for future in self._futures.values())

    def answer(self) -> dict[Place, int]:
        """Raises BrokerUnavailable, also where one partition has no leader."""
        try:
            return {place: future.result(ANSWER_S).offset for place, future in self._futures.items()}
        except (KafkaException, TimeoutError) as error:
            if isinstance(error, KafkaException) and error.args[0].code() in OLD_LEADERS:
                self._renew()
            raise BrokerUnavailable(f"the broker does not tell offsets: {error}") from error


class Offsets:
    """Asks for the offsets of many partitions in one request."""

    def __init__(self, open_admin: Callable[[], AdminClient], names: Names) -> None:
        self._open = open_admin
        self._admin = open_admin()
        self._names = names

    def written(self, places: Iterable[Place]) -> dict[Place, int]:
        """Ends of the log: behind the last record, committed or not, and behind the last control record."""
        return self._ask(places, SPEC.latest(), IsolationLevel.READ_UNCOMMITTED).answer()

    def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        return self._ask(places, SPEC.earliest(), IsolationLevel.READ_UNCOMMITTED).answer()

    def committed(self, group: str, places: Iterable[Place], *, is_final: bool) -> dict[Place, int]:
        """Of any group, where it has committed.

        is_final: BrokerUnavailable while a transaction of the group is open, instead of what stood there before it.
        Raises BrokerUnavailable, and BadSettings where the broker refuses access.
        """
        partitions = [self._names.partition(place) for place in places]
        if not partitions:
            return {}
        # The stubs leave the type of the future's result open.
        futures: dict[str, Future[Any]] = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, partitions)], require_stable=is_final, request_timeout=ANSWER_S
        )
        try:
            answers = futures[group].result(ANSWER_S).topic_partitions
        except (KafkaException, TimeoutError) as error:
            if isinstance(error, KafkaException):
                raise_if_final(error.args[0])
            raise BrokerUnavailable(f"the broker does not tell the offsets of group {group}: {error}") from error
        for answer in answers:
            if answer.error is not None:
                raise BrokerUnavailable(f"offset of group {group} in {answer.topic}: {answer.error.str()}")
        return {self._names.place(answer): answer.offset for answer in answers if answer.offset >= 0}

    def ask_readable(self, places: Iterable[Place]) -> Question:
        """Ends for a read_committed reader: below the first open transaction. Does not wait."""
        return self._ask(places, SPEC.latest(), IsolationLevel.READ_COMMITTED)

    def _ask(self, places: Iterable[Place], spec: OffsetSpec, isolation: IsolationLevel) -> Question:
        wanted = {self._names.partition(place): spec for place in places}
        if not wanted:
            return Question({}, self._renew)
        futures = self._admin.list_offsets(wanted, isolation_level=isolation, request_timeout=ANSWER_S)
        asked = {self._names.place(partition): future for partition, future in futures.items()}
        return Question(asked, self._renew)

    def _renew(self) -> None:
        """The client keeps what it knows of leaders for 5 minutes, wrong as it is. To ask it for metadata meanwhile
        ends the process now and then: an assertion of librdkafka, as in librdkafka#3663."""
        self._admin = self._open()
