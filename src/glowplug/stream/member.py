"""Our membership of the consumer group: which partitions are ours, which of them flow, and where they go on."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from glowplug.stream.offsets import committed
from glowplug.stream.positions import Place
from glowplug.stream.reader import ClientsLost, End, Names
from glowplug.stream.step import Record

Given = Callable[[frozenset[Place]], None]
Taken = Callable[[frozenset[Place], bool], None]

log = logging.getLogger("glowplug.stream")

WAKE_S = 0.5  # the answer, which does not count, can wait behind a fetch (worker.MEMBER_WAIT_MS)
COMMITTED_S = 1.0  # one attempt; an open transaction of a dead predecessor can hold the answer back for 10 s


class Member:
    """A consumer in a group, used from one thread.

    Both callbacks run inside `poll` or `close`. given(places): new ones, which do not flow yet. taken(places,
    lost): called while they are still ours, unless lost; afterwards they are not.
    """

    def __init__(
        self,
        consumer: Consumer,
        names: Names,
        topics: Iterable[str],
        *,
        is_incremental: bool,
        given: Given,
        taken: Taken,
    ) -> None:
        self.owned: set[Place] = set()
        self._consumer = consumer
        self._names = names
        self._is_incremental = is_incremental
        self._given = given
        self._taken = taken
        consumer.subscribe(
            [names.cluster(topic) for topic in topics],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def poll(self, most: int, wait_s: float) -> list[Record | End]:
        """Up to `most` of what comes, in its order; waits at most `wait_s` for the first. Rebalances happen here.

        Raises ClientsLost, BadSettings.
        """
        try:
            messages = self._consumer.consume(1, wait_s) if wait_s > 0 else []
            if messages or wait_s <= 0:
                messages += self._consumer.consume(max(1, most - len(messages)), 0)
        except KafkaException as error:  # of the client, or of what we asked of it in a rebalance
            raise ClientsLost(error.args[0].str()) from error
        polled: list[Record | End] = []
        for message in messages:
            fault = message.error()
            if fault is None:
                polled.append(self._names.record(message))
            elif (end := self._names.reached_end(message, fault)) is not None:
                polled.append(end)
        return polled

    @property
    def id(self) -> str:
        return self._consumer.memberid()

    def group(self) -> Any:
        """The metadata that bind a transaction to our membership as it is now."""
        return self._consumer.consumer_group_metadata()

    def committed(self, places: Iterable[Place]) -> dict[Place, int]:
        """The group's offsets, where there are any. Raises BrokerUnavailable: ask again."""
        return committed(self._consumer, self._names, [self._names.partition(p) for p in places], COMMITTED_S)

    def place(self, starts: Mapping[Place, int]) -> bool:
        """Let these partitions go on from these offsets. False: the client is not ready for it; try again."""
        try:
            for place, offset in starts.items():
                self._consumer.seek(self._names.partition(place, offset))
        except KafkaException as error:
            log.debug("seek: %s", error)
            return False
        return True

    def pause(self, places: Iterable[Place]) -> None:
        self._consumer.pause([self._names.partition(place) for place in places if place in self.owned])

    def resume(self, places: Iterable[Place]) -> None:
        partitions = [self._names.partition(place) for place in places if place in self.owned]
        if not partitions:
            return
        self._consumer.resume(partitions)
        # librdkafka's broker thread sleeps a second when all is paused, and resuming does not wake it: a request
        # does.
        with contextlib.suppress(KafkaException):
            self._consumer.offsets_for_times([TopicPartition(p.topic, p.partition, 0) for p in partitions], WAKE_S)

    def known_end(self, place: Place) -> int:
        """The end that the last fetch told; 0 before the first."""
        try:
            return max(0, self._consumer.get_watermark_offsets(self._names.partition(place), cached=True)[1])
        except KafkaException:
            return 0

    def close(self) -> None:
        """Leave the group; what is ours is given up in a last `taken`."""
        with contextlib.suppress(KafkaException, RuntimeError):  # it is being thrown away
            self._consumer.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = frozenset(map(self._names.place, partitions))
        # Nothing flows before the restore; any offset keeps the client from asking for the committed one itself.
        starts = [TopicPartition(each.topic, each.partition, 0) for each in partitions]
        if self._is_incremental:
            consumer.incremental_assign(starts)
        else:
            consumer.assign(starts)
        if partitions:
            consumer.pause(partitions)
        self.owned |= places
        self._given(places)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_up(consumer, partitions, is_lost=False)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_up(consumer, partitions, is_lost=True)

    def _give_up(self, consumer: Consumer, partitions: list[TopicPartition], is_lost: bool) -> None:
        places = frozenset(map(self._names.place, partitions))
        self._taken(places, is_lost)
        self.owned -= places
        if self._is_incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()
