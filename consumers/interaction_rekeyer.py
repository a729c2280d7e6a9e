"""interactions → interactions-rekeyed: each valid interaction once, as it came, where the user's other records are.

For producers with another partitioner than Kafka's default, or another number of partitions than `users`
(`kafka.rekey_interactions`). `python -m consumers.interaction_rekeyer`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import TypeAdapter

from glowplug.errors import BadSettings, Poison
from glowplug.events import Interaction
from glowplug.inference.encoder import TextEncoder
from glowplug.settings import Settings
from glowplug.stream.decode import decode, record_key
from glowplug.stream.main import run_alone
from glowplug.stream.origin import origin_headers
from glowplug.stream.step import Batch, Context, DeadLetter, Effects, Outgoing, Record, Tail, Until

# A day. Within it a record keeps its timestamp. An older one could be deleted by age before anybody has read it,
# and one of the future is refused by the broker (Kafka 4: more than an hour ahead).
KEPT_MS = 86_400_000
_interaction: TypeAdapter[Interaction] = TypeAdapter(Interaction)


class InteractionRekeyer:
    """A Step without state. It pairs no topics, so the product's may have any number of partitions."""

    def __init__(self, settings: Settings) -> None:
        self.name = "interaction_rekeyer"
        self.inputs = ("interactions",)
        self.tables: Mapping[str, Tail] = {}
        self.restores: Mapping[str, Until] = {}
        self.relieves: Mapping[str, str] = {"interactions": "recommender"}
        self._topic = settings.kafka.topics.interactions

    def open(self, context: Context) -> None:
        """Nothing."""

    def restore(self, records: Sequence[Record]) -> None:
        """Nothing."""

    def absorb(self, records: Sequence[Record]) -> None:
        """Nothing."""

    def assigned(self, partitions: frozenset[int]) -> None:
        """Nothing."""

    def revoked(self, partitions: frozenset[int]) -> None:
        """Nothing."""

    def apply(self, changes: None) -> None:
        """Nothing."""

    def due(self) -> float | None:
        return None

    def step(self, batch: Batch) -> Effects[None]:
        outgoing: list[Outgoing] = []
        dead: list[DeadLetter] = []
        for record in batch.records:
            try:
                # Here, so that the dead letter has the place that the product knows.
                decode(record, _interaction, lambda event: event.user_id)
                outgoing.append(self._passed_on(record, batch.now))
            except Poison as error:
                dead.append(DeadLetter(record, error))
        return Effects(None, tuple(outgoing), tuple(dead))

    def _passed_on(self, record: Record, now: datetime) -> Outgoing:
        now_ms = int(now.timestamp() * 1000)
        is_recent = now_ms - KEPT_MS <= record.timestamp_ms <= now_ms
        return Outgoing(
            "interactions_rekeyed",
            record_key(record),
            record.value,
            headers=(*record.headers, *origin_headers(record, self._topic)),
            cause=record,
            timestamp_ms=record.timestamp_ms if is_recent else now_ms,
        )


def make(settings: Settings, encoder: TextEncoder | None = None) -> InteractionRekeyer:  # noqa: ARG001  one signature for all
    """Raises BadSettings where nobody would read what it writes."""
    if not settings.kafka.rekey_interactions:
        raise BadSettings(
            "interaction_rekeyer: kafka.rekey_interactions is false, so recommenders read interactions themselves; "
            "set it to true for all of them, or leave this consumer out"
        )
    return InteractionRekeyer(settings)


def main() -> None:
    run_alone(make)


if __name__ == "__main__":
    main()
