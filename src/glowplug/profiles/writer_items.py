"""What a profile model reads in items: they are published without it, and again with it once it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from glowplug.errors import ModelRejected, Poison
from glowplug.events import Inference, ItemUpsert, ItemVector
from glowplug.observe import metrics
from glowplug.profiles.model import ProfileModel
from glowplug.profiles.pending import Job
from glowplug.profiles.restored import Restored
from glowplug.profiles.writer_desk import Desk, Done
from glowplug.profiles.writer_record import attributes
from glowplug.profiles.writer_subject import content_of, of_item
from glowplug.stream.decode import Tombstone
from glowplug.stream.step import Outgoing, Record
from glowplug.text.plan import Decoded

AT_ONCE = 2  # items in one call: a user's profile waits at most for so many
Decode = Callable[[Record], Decoded[ItemUpsert] | Tombstone]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a batch changes, once it is committed. published: by item, its record; None: it is gone.
    settled: results that nobody needs after this batch."""

    published: Mapping[str, bytes | None]
    jobs: Sequence[Job] = ()
    settled: Sequence[Done] = ()


class ItemReader:
    """inferences: by item, the latest. unread: records without one by the model of today, by item.

    After a restart the unread ones are known from the embedder's own output, and their texts from `items`.
    """

    def __init__(
        self,
        model: ProfileModel,
        decode: Decode,
        *,
        is_threaded: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._decode = decode
        self._inferences: dict[str, Inference] = {}
        self._unread: dict[str, bytes] = {}
        self._texts = Restored()
        self.desk = Desk(
            model, None, consumer="item_embedder", at_once=AT_ONCE, is_threaded=is_threaded, clock=clock
        )

    def known(self, item: ItemUpsert) -> Inference | None:
        """What was read in these very words, if anything."""
        subject = of_item(item)
        content = content_of(subject)
        if not subject.fields:
            return Inference(model=self._model.fingerprint, content=content, claims=())
        before = self._inferences.get(item.item_id)
        if before is None or (before.model, before.content) != (self._model.fingerprint, content):
            return None
        return before

    def published(self, item: ItemVector, value: bytes) -> None:
        """This is in the log now."""
        if item.inferred is not None:
            self._inferences[item.item_id] = item.inferred
        if self._is_unread(item):
            self._unread[item.item_id] = value
        else:
            self._unread.pop(item.item_id, None)

    def read(self, outgoing: Iterable[Outgoing]) -> Reading:
        """Jobs for the items in `outgoing`, which the embedder publishes."""
        published, jobs = {}, []
        for out in outgoing:
            published[out.key] = out.value
            if out.value is not None and out.cause is not None:
                job = self._job(ItemVector.model_validate_json(out.value), out.cause)
                jobs += [job] if job is not None else []
        return Reading(published, jobs)

    def results(self, results: Iterable[Done]) -> dict[str, tuple[ItemVector, Done]]:
        """Records to publish again, by item."""
        found = {}
        for done in results:
            value = self._unread.get(done.job.id)
            if value is None:
                continue
            item = ItemVector.model_validate_json(value)
            if item.source != done.job.source:
                continue
            claims = () if isinstance(done.outcome, ModelRejected) else attributes(done.job.subject, done.outcome)
            inferred = Inference(model=self._model.fingerprint, content=done.job.content, claims=claims)
            found[item.item_id] = item.model_copy(update={"inferred": inferred}), done
        return found

    def apply(self, reading: Reading) -> None:
        for item_id, value in reading.published.items():
            if value is None:
                self._unread.pop(item_id, None)
                self._inferences.pop(item_id, None)
                self.desk.withdraw([item_id])
            else:
                self.published(ItemVector.model_validate_json(value), value)
        rejected = sum(isinstance(done.outcome, ModelRejected) for done in reading.settled)
        metrics.profiles_rejected.labels("item_embedder").inc(rejected)
        self.desk.settle(reading.settled)
        self.desk.submit(reading.jobs)

    # ---- after a restart ---------------------------------------------------------------------------------

    def restore(self, records: Sequence[Record]) -> None:
        self._texts.read(records)

    def assigned(self, partitions: frozenset[int]) -> None:
        jobs = []
        for key, record in self._texts.take(partitions):
            value = self._unread.get(key)
            if value is not None:
                job = self._job(ItemVector.model_validate_json(value), record)
                jobs += [job] if job is not None else []
        self.desk.submit(jobs)

    def revoked(self, partitions: frozenset[int]) -> None:
        self._texts.forget(partitions)
        self.desk.revoke(partitions)

    def _job(self, item: ItemVector, record: Record) -> Job | None:
        """None where `record` is not what `item` comes from, or that is read already."""
        place = (item.source.partition, item.source.offset)
        if place != (record.partition, record.offset) or not self._is_unread(item):
            return None
        try:
            decoded = self._decode(record)
        except Poison:
            return None
        if isinstance(decoded, Tombstone) or decoded.upsert is None:
            return None
        subject = of_item(decoded.upsert)
        return Job(item.item_id, content_of(subject), subject, item.source, record)

    def _is_unread(self, item: ItemVector) -> bool:
        return item.inferred is None or item.inferred.model != self._model.fingerprint
