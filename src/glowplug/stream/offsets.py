"""Where partitions begin and end, as the broker says now."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec

from glowplug.errors import BrokerUnavailable
from glowplug.stream.positions import Place
from glowplug.stream.reader import Names

SPEC: Any = OffsetSpec  # its methods carry no types
ANSWER_S = 5.0  # a broker that just made its topics took over two; the caller polls its consumer between attempts


class Question:
    """Offsets asked for and not yet answered."""

    def __init__(self, futures: dict[Place, Future[ListOffsetsResultInfo]]) -> None:
        self._futures = futures

    @property
    def is_answered(self) -> bool:
        return all(future.done() for future in self._futures.values())

    def answer(self) -> dict[Place, int]:
        """Raises BrokerUnavailable, also where one partition has no leader."""
        try:
            return {place: future.result(ANSWER_S).offset for place, future in self._futures.items()}
        except (KafkaException, TimeoutError) as error:
            raise BrokerUnavailable(f"the broker does not tell offsets: {error}") from error


class Offsets:
    """Asks for the offsets of many partitions in one request."""

    def __init__(self, admin: AdminClient, names: Names) -> None:
        self._admin = admin
        self._names = names

    def written(self, places: Iterable[Place]) -> dict[Place, int]:
        """Ends of the log: behind the last record, committed or not, and behind the last control record."""
        return self._ask(places, SPEC.latest(), IsolationLevel.READ_UNCOMMITTED).answer()

    def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        return self._ask(places, SPEC.earliest(), IsolationLevel.READ_UNCOMMITTED).answer()

    def ask_readable(self, places: Iterable[Place]) -> Question:
        """Ends for a read_committed reader: below the first open transaction. Does not wait."""
        return self._ask(places, SPEC.latest(), IsolationLevel.READ_COMMITTED)

    def _ask(self, places: Iterable[Place], spec: OffsetSpec, isolation: IsolationLevel) -> Question:
        wanted = {self._names.partition(place): spec for place in places}
        if not wanted:
            return Question({})
        futures = self._admin.list_offsets(wanted, isolation_level=isolation, request_timeout=ANSWER_S)
        return Question({self._names.place(partition): future for partition, future in futures.items()})
