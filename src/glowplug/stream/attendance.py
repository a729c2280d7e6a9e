"""Whether the group counts us as a member that has nothing to do: the client itself never says so."""

from __future__ import annotations

from concurrent.futures import Future

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._group import ConsumerGroupDescription

ASK_S = 0.5  # somebody waits for a worker to be ready; the question costs the coordinator little
# Nobody waits for it. An answer that comes after its time is up ends the process, then or when the connection
# breaks: an assertion in librdkafka (librdkafka#4605).
ANSWER_S = 300.0


class Attendance:
    """Asks the coordinator now and then, and never waits for it."""

    def __init__(self, admin: AdminClient, group: str) -> None:
        self._admin = admin
        self._group = group
        self._asked = float("-inf")
        self._answer: Future[ConsumerGroupDescription] | None = None

    def has_nothing(self, member_id: str, now: float) -> bool:
        """The group is stable and `member_id` is in it, without partitions. now: monotonic seconds."""
        if self._answer is None:
            if now - self._asked >= ASK_S:
                self._asked = now
                futures = self._admin.describe_consumer_groups([self._group], request_timeout=ANSWER_S)
                self._answer = futures[self._group]
            return False
        if not self._answer.done():
            return False
        answer, self._answer = self._answer, None
        try:
            group = answer.result()
        except KafkaException:  # not there yet, or a broker that cannot describe groups: then nobody is told
            return False
        return group.state == ConsumerGroupState.STABLE and any(
            member.member_id == member_id and not member.assignment.topic_partitions for member in group.members
        )
