"""users → user-profiles: what a profile model reads in a user's text, every claim with its words, and its vector.

`python -m consumers.profile_writer`
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from glowplug.errors import BadSettings, Poison, TooLarge
from glowplug.events import UserProfile, UserUpsert
from glowplug.inference.encoder import TextEncoder, load
from glowplug.inference.shared import SharedEncoder
from glowplug.observe import metrics
from glowplug.observe.health import Condition
from glowplug.profiles.model import Inferred, ProfileModel
from glowplug.profiles.pending import Job
from glowplug.profiles.restored import Restored
from glowplug.profiles.writer_desk import NO_VECTORS, Desk, Done
from glowplug.profiles.writer_record import TEMPLATE, Embedded, encoded, inferred_again, pending, ready
from glowplug.profiles.writer_state import Draft, Profiled, recalled, space
from glowplug.profiles.writer_subject import content_of, of_user
from glowplug.profiles.writer_turns import load_model
from glowplug.settings import Settings
from glowplug.stream.decode import Tombstone
from glowplug.stream.main import run_alone
from glowplug.stream.step import Batch, Context, Effects, Outgoing, Record, Tail, Until
from glowplug.stream.versions import null_version
from glowplug.text import attributes
from glowplug.text.known import Maker, fold_output, is_stale
from glowplug.text.lineage import Lineage
from glowplug.text.users import decode_user

WRITES = "user_profiles"
NOTHING = Inferred()


class ProfileWriter:
    """A Step. What the model needs longer for than `profile_writer.patience_s` is committed as pending, so that no
    offset waits for it; its result goes out in a later batch, unless the user was deleted or updated meanwhile.

    Its state is its own output. After a restart the texts of those that are pending are read from `users` again.
    """

    name = "profile_writer"
    inputs = ("users",)
    tables: Mapping[str, Tail] = {WRITES: "assign"}
    restores: Mapping[str, Until] = {"users": "committed"}

    def __init__(
        self,
        settings: Settings,
        encoder: TextEncoder,
        model: ProfileModel,
        *,
        is_threaded: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """is_threaded: False in tests, which then `work` at the desk themselves."""
        self._settings = settings.profile_writer
        self._domain = settings.domain
        self._max_bytes = settings.stream.max_record_bytes
        self._lineage = Lineage(settings.stream, "users")
        self._encoder = encoder
        self._model = model
        self._made_by: Maker = (model.fingerprint, space(encoder.fingerprint, TEMPLATE))
        self._known: dict[str, Profiled] = {}
        self._texts = Restored()
        self._is_threaded = is_threaded
        self.desk = Desk(
            model,
            encoder,
            consumer=self.name,
            at_once=self._settings.at_once,
            saturated=self._settings.waiting,
            is_threaded=is_threaded,
            clock=clock,
        )

    # ---- Step --------------------------------------------------------------------------------------------

    def open(self, context: Context) -> None:
        self._lineage.open(context)
        self.desk.open()

    def restore(self, records: Sequence[Record]) -> None:
        """Inputs before the committed offset: the latest of each user, until it shows who is pending."""
        self._texts.read(records)

    def absorb(self, records: Sequence[Record]) -> None:
        fold_output(self._known, records, lambda record: recalled(record, self._lineage, self._made_by))

    def assigned(self, partitions: frozenset[int]) -> None:
        """The newest of those that were left pending are the first again."""
        texts = self._texts.take(partitions)
        self.desk.submit([job for _, record in texts if (job := self._resumed(record)) is not None])

    def revoked(self, partitions: frozenset[int]) -> None:
        """What is known stays true, and is read anew before the partitions come back."""
        self._texts.forget(partitions)
        self.desk.revoke(partitions)

    def due(self) -> float | None:
        return 0.0 if self.desk.done() else None

    def step(self, batch: Batch) -> Effects[Draft]:
        draft = Draft()
        for record in batch.records:
            try:
                self._fold(record, draft, batch)
            except Poison:
                continue  # the user embedder reads the same topic and makes a dead letter of it
        self._infer(draft)
        for done in self.desk.done():
            self._finish(done, draft, batch)
        return Effects(draft, tuple(draft.outgoing.values()))

    def apply(self, changes: Draft) -> None:
        self._known.update(changes.known)
        self.desk.settle(changes.settled)
        self.desk.withdraw(user_id for user_id, known in changes.known.items() if not known.is_pending)
        metrics.stale_inputs.labels(self.name).inc(changes.stale)
        metrics.profiles_saved.labels(self.name).inc(changes.saved)
        metrics.profiles_late.labels(self.name).inc(changes.late)
        metrics.profiles_rejected.labels(self.name).inc(changes.rejected)

    def condition(self) -> Condition:
        return self.desk.condition()

    def _resumed(self, record: Record) -> Job | None:
        """The job of an input that was left pending; None of any other."""
        try:
            decoded = decode_user(record)
            known = self._known.get(decoded.id)
            if known is None or not known.is_pending or isinstance(decoded, Tombstone) or decoded.upsert is None:
                return None
            job = self._job(record, decoded.upsert, self._lineage.version(record, decoded.event))
        except Poison:
            return None  # answered with a dead letter when it was first read
        return job if job.source.version == known.version else None

    # ---- the parts of a step -----------------------------------------------------------------------------

    def _fold(self, record: Record, draft: Draft, batch: Batch) -> None:
        """One input: a tombstone, a profile that is known already, or a job. Raises Poison."""
        decoded = decode_user(record)
        known = draft.known.get(decoded.id, self._known.get(decoded.id))
        if isinstance(decoded, Tombstone):
            version, event, upsert = self._lineage.null_version(record), None, None
        else:
            event, upsert = decoded.event, decoded.upsert
            if upsert is not None:
                attributes.check(upsert.attributes, self._domain(upsert.domain).user_attributes)
            version = self._lineage.version(record, event)
        if is_stale(known, version, self._made_by if upsert is not None else None):
            draft.stale += 1
            return
        if version is None:
            version = null_version(known.version if known else None)
        if upsert is None:
            headers = self._lineage.tombstone(record, version, event)
            draft.jobs.pop(decoded.id, None)
            draft.known[decoded.id] = Profiled(version, None)
            draft.outgoing[decoded.id] = Outgoing(WRITES, decoded.id, None, headers, cause=record)
            return
        job = self._job(record, upsert, version)
        before = None if known is None or known.value is None else UserProfile.model_validate_json(known.value)
        is_same = known is not None and known.content == job.content
        is_current = is_same and known is not None and known.made_by == self._made_by
        if is_current and before is not None and before.source.event_id == job.source.event_id:
            draft.stale += 1  # the same event, sent again
            return
        draft.jobs.pop(job.id, None)
        if not job.subject.fields:
            self._write(job, self._ready(job, NOTHING, batch), draft)
        elif before is None or before.state == "pending" or not is_same:
            self._wait(job, before, draft, batch)
        elif is_current:  # another event with the same words
            draft.saved += 1
            again = before.model_copy(update={"source": job.source, "generated_at": batch.now})
            self._write(job, again, draft)
        else:
            is_read = before.model == self._model.fingerprint  # only the vectors are of another encoder
            self._wait(replace(job, inferred=inferred_again(before) if is_read else None), before, draft, batch)

    def _job(self, record: Record, upsert: UserUpsert, version: int) -> Job:
        subject = of_user(upsert)
        source = self._lineage.source(record, upsert, version)
        return Job(upsert.user_id, content_of(subject), subject, source, record)

    def _wait(self, job: Job, before: UserProfile | None, draft: Draft, batch: Batch) -> None:
        """Pending, unless its result comes within this batch."""
        draft.jobs[job.id] = job
        self._write(job, pending(job, before, batch.now), draft)

    def _infer(self, draft: Draft) -> None:
        """Give the new jobs to the desk; wait a little for them, if it is not too far behind anyway."""
        if not draft.jobs:
            return
        self.desk.submit(draft.jobs.values())
        if self._is_threaded and len(self.desk) <= self._settings.waiting:
            self.desk.wait(tuple(draft.jobs), self._settings.patience_s)

    def _finish(self, done: Done, draft: Draft, batch: Batch) -> None:
        """Publish a result, if its input is still the user's latest."""
        job = done.job
        draft.settled.append(done)
        known = draft.known.get(job.id, self._known.get(job.id))
        if known is None or not known.is_pending or known.version != job.source.version:
            draft.late += 1
            return
        outcome = done.outcome
        if isinstance(outcome, Inferred):
            with suppress(TooLarge):
                self._write(job, self._ready(job, outcome, batch, done.vectors), draft)
                return
        draft.rejected += 1  # the input is valid, and its user has a list: it is no dead letter
        self._write(job, self._ready(job, NOTHING, batch), draft)

    def _ready(self, job: Job, inferred: Inferred, batch: Batch, vectors: Embedded = NO_VECTORS) -> UserProfile:
        return ready(
            job,
            inferred,
            vectors,
            model=self._model.fingerprint,
            encoder=self._encoder.fingerprint,
            now=batch.now,
        )

    def _write(self, job: Job, profile: UserProfile, draft: Draft) -> None:
        """Raises TooLarge."""
        value = encoded(profile, self._max_bytes)
        is_pending = profile.state == "pending"
        draft.known[job.id] = Profiled(
            profile.source.version, self._made_by, is_pending=is_pending, content=job.content, value=value
        )
        draft.outgoing[job.id] = Outgoing(WRITES, job.id, value, cause=job.record)


def make(settings: Settings, encoder: TextEncoder, model: ProfileModel | None) -> ProfileWriter:
    """encoder: for the vectors of claims. Raises BadSettings without a model."""
    if model is None:
        raise BadSettings("profiles.model is off: the profile writer has nothing to do; name one, or leave it out")
    return ProfileWriter(settings, encoder, model)


def main() -> None:
    def alone(settings: Settings) -> ProfileWriter:
        encoder = SharedEncoder(load(settings.encoder), settings.encoder.memo).behind()
        return make(settings, encoder, load_model(settings, encoder))

    run_alone(alone)


if __name__ == "__main__":
    main()
