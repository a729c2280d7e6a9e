"""Where partitions begin and end, as the broker says now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from glowplug.errors import BrokerUnavailable
from glowplug.settings import Settings
from glowplug.stream.clients import Isolation, new_client, reader_config
from glowplug.stream.compute import Lane
from glowplug.stream.positions import Place
from glowplug.stream.reader import Names, raise_if_final

ANSWER_S = 5.0  # a broker that just made its topics took over two; the caller polls its consumer between attempts
# Answers to somebody who has not heard that a partition's leader changed, or was restarted.
OLD_LEADERS = frozenset(
    {KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.NOT_LEADER_FOR_PARTITION}
)


class Question:
    """Offsets asked for and not yet answered."""

    def __init__(self, answer: Future[dict[Place, int]]) -> None:
        self._answer = answer

    @property
    def is_answered(self) -> bool:
        return self._answer.done()

    def answer(self) -> dict[Place, int]:
        """Waits. Raises BrokerUnavailable, also where one partition has no leader."""
        return self._answer.result()


class Asker:
    """A client that asks for offsets of many partitions at once; used from one thread."""

    def __init__(self, open_consumer: Callable[[], Consumer], names: Names) -> None:
        self._open = open_consumer
        self._consumer = open_consumer()
        self._names = names

    def ask(self, places: Iterable[Place], what: int) -> dict[Place, int]:
        """what: OFFSET_BEGINNING or OFFSET_END, which a broker takes for times too (ListOffsets). Raises
        BrokerUnavailable."""
        wanted = [self._names.partition(place, what) for place in places]
        if not wanted:
            return {}
        try:
            answers = self._consumer.offsets_for_times(wanted, ANSWER_S)
        except KafkaException as error:
            raise BrokerUnavailable(f"the broker does not tell offsets: {error.args[0].str()}") from error
        self._check(answers)
        return {self._names.place(answer): answer.offset for answer in answers}

    def close(self) -> None:
        with contextlib.suppress(KafkaException, RuntimeError):  # it is being thrown away
            self._consumer.close()

    def _check(self, answers: Iterable[TopicPartition]) -> None:
        for answer in answers:
            if answer.error is None:
                continue
            if answer.error.code() in OLD_LEADERS:  # the client keeps what it knows of leaders for 5 minutes
                self.close()
                self._consumer = self._open()
            raise BrokerUnavailable(f"the broker does not tell offsets of {answer.topic}: {answer.error.str()}")


class Offsets:
    """Asks by consumers that join nothing: an admin client's question ends the process where the broker dies
    meanwhile, by an assertion in librdkafka (librdkafka#3663)."""

    def __init__(self, settings: Settings, names: Names) -> None:
        """Raises BadSettings."""
        self._settings = settings
        self._names = names
        self._log = self._asker("read_uncommitted")
        self._readable: Asker | None = None  # of the lane alone
        self._lane: Lane | None = None

    def written(self, places: Iterable[Place]) -> dict[Place, int]:
        """Ends of the log: behind the last record, committed or not, and behind the last control record."""
        return self._log.ask(places, OFFSET_END)

    def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        return self._log.ask(places, OFFSET_BEGINNING)

    def committed(self, group: str, places: Iterable[Place], *, is_final: bool) -> dict[Place, int]:
        """Of any group, where it has committed.

        is_final: BrokerUnavailable while a transaction of the group is open, instead of what stood there before it.
        Raises BrokerUnavailable, and BadSettings where the broker refuses access.
        """
        partitions = [self._names.partition(place) for place in places]
        if not partitions:
            return {}
        isolation: Isolation = "read_committed" if is_final else "read_uncommitted"
        config = reader_config(self._settings, group, isolation=isolation) | {"group.id": group}
        with contextlib.closing(new_client(Consumer, config)) as consumer:
            return committed(consumer, self._names, partitions, ANSWER_S)

    def ask_readable(self, places: Iterable[Place]) -> Question:
        """Ends for a read_committed reader: below the first open transaction. Does not wait."""
        wanted = list(places)
        answer: Future[dict[Place, int]] = Future()
        if self._lane is None:
            self._lane = Lane("glowplug-offsets")
        self._lane.submit(lambda: self._answer(answer, wanted))
        return Question(answer)

    def close(self) -> None:
        self._log.close()
        if self._lane is not None:
            self._lane.submit(self._close_readable)
            self._lane.close()

    def _answer(self, answer: Future[dict[Place, int]], places: list[Place]) -> None:
        try:
            if self._readable is None:
                self._readable = self._asker("read_committed")
            answer.set_result(self._readable.ask(places, OFFSET_END))
        except BaseException as error:  # noqa: BLE001  raised where the answer is taken
            answer.set_exception(error)

    def _close_readable(self) -> None:
        if self._readable is not None:
            self._readable.close()

    def _asker(self, isolation: Isolation) -> Asker:
        config = reader_config(self._settings, "offsets", isolation=isolation)
        return Asker(lambda: new_client(Consumer, config), self._names)


def committed(
    consumer: Consumer, names: Names, partitions: list[TopicPartition], timeout_s: float
) -> dict[Place, int]:
    """What the consumer's group has committed, where there is something. Raises BrokerUnavailable: ask again; and
    what an error amounts to that asking does not help."""
    try:
        answers = consumer.committed(partitions, timeout_s)
    except KafkaException as error:
        raise_if_final(error.args[0])
        raise BrokerUnavailable(f"committed offsets: {error.args[0].str()}") from error
    for answer in answers:
        if answer.error is not None:
            raise BrokerUnavailable(f"committed offset of {answer.topic}: {answer.error.str()}")
    return {names.place(answer): answer.offset for answer in answers if answer.offset >= 0}
