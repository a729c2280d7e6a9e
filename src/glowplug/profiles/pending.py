"""What waits for a profile model, the newest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from glowplug.events import Source
from glowplug.profiles.model import Inferred, Subject
from glowplug.stream.step import Record


@dataclass(frozen=True, slots=True)
class Job:
    """One inference to come. record: the input; content: hash of the subject; source: what the output will name.

    inferred: known already, so that only vectors are missing.
    """

    id: str
    content: str
    subject: Subject
    source: Source
    record: Record
    inferred: Inferred | None = None


@dataclass(slots=True)
class Entry:
    """number: the greater, the newer. attempts: how often its inference failed. is_taken: under way."""

    job: Job
    number: int
    attempts: int = 0
    is_taken: bool = False


class Pile:
    """One job an id: a newer one replaces it. Not safe to share between threads."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._order: list[tuple[int, int, str]] = []  # (attempts, -number, id); those without an entry are void
        self._number = 0

    def __len__(self) -> int:
        """Those under way included."""
        return len(self._entries)

    def __contains__(self, id_: str) -> bool:
        return id_ in self._entries

    def __iter__(self) -> Iterator[Job]:
        return (entry.job for entry in self._entries.values())

    def put(self, job: Job) -> None:
        """The newest. What is under way with the same content goes on, in the name of this job."""
        before = self._entries.get(job.id)
        if before is not None and before.job.content == job.content:
            before.job = replace(job, inferred=job.inferred or before.job.inferred)
            return
        self._number += 1
        self._push(Entry(job, self._number))

    def take(self, most: int) -> list[Job]:
        """The next ones, from now on under way."""
        taken: list[Job] = []
        while self._order and len(taken) < most:
            attempts, negative, id_ = heapq.heappop(self._order)
            entry = self._entries.get(id_)
            if entry is not None and not entry.is_taken and (entry.attempts, -entry.number) == (attempts, negative):
                entry.is_taken = True
                taken.append(entry.job)
        return taken

    def give_back(self, jobs: Iterable[Job], *, failed: bool) -> None:
        """They were not done: behind all that failed less often, if they failed."""
        for job in jobs:
            entry = self._same(job)
            if entry is not None and entry.is_taken:
                entry.attempts += failed
                entry.is_taken = False
                self._push(entry)

    def finish(self, job: Job) -> Job | None:
        """It is done: what now is to be published, as of its latest input; None where nobody waits for it."""
        entry = self._same(job)
        if entry is None:
            return None
        del self._entries[job.id]
        return entry.job

    def drop(self, id_: str) -> None:
        self._entries.pop(id_, None)

    def oldest_ms(self) -> int | None:
        """Timestamp of the input that waits longest."""
        return min((entry.job.record.timestamp_ms for entry in self._entries.values()), default=None)

    def _same(self, job: Job) -> Entry | None:
        entry = self._entries.get(job.id)
        return entry if entry is not None and entry.job.content == job.content else None

    def _push(self, entry: Entry) -> None:
        self._entries[entry.job.id] = entry
        heapq.heappush(self._order, (entry.attempts, -entry.number, entry.job.id))
