"""Where jobs are worked off beside the step that gives them, so that the step never waits for a model."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

from glowplug.errors import Fatal, GlowplugError, ModelRejected, ModelUnavailable, shown
from glowplug.inference.bisect import Outcome, encode_each
from glowplug.inference.circuit import Circuit, State
from glowplug.inference.encoder import TextEncoder
from glowplug.observe import metrics
from glowplug.observe.health import Condition
from glowplug.profiles.model import Inferred, ProfileModel
from glowplug.profiles.pending import Job, Pile
from glowplug.profiles.writer_asking import infer_each
from glowplug.profiles.writer_record import Embedded, embedded, founded, phrases

log = logging.getLogger("glowplug.profiles")

NO_VECTORS = Embedded()
SLOW_S = 30.0  # a call of a few texts under way for longer: a language model on a CPU takes half of it
# up; slow: a call does not return; saturated: more comes than is read; down: calls fail.
ModelState = Literal["up", "slow", "saturated", "down"]


@dataclass(frozen=True, slots=True)
class Done:
    """A job and what came of it; vectors only with an Inferred."""

    job: Job
    outcome: Inferred | ModelRejected
    vectors: Embedded = NO_VECTORS


class Desk:
    """Safe to call from many threads. A thread works while there is something to do, and ends with it.

    Results stay until they are `settled`, since what is made of them may have to be made again after an abort.
    Nothing that the model raises gets out: a failing one is asked again later, less and less often.
    """

    def __init__(
        self,
        model: ProfileModel,
        encoder: TextEncoder | None,
        *,
        consumer: str,
        at_once: int,
        saturated: int | None = None,
        is_threaded: bool = True,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """encoder: for the vectors of claims; None: none are wanted. at_once: jobs in one call of the model.
        consumer: label in metrics. saturated: that more than so many wait is worth telling; None: it never is.
        is_threaded: False leaves it to the caller to `work`."""
        self._consumer = consumer
        self._model = model
        self._encoder = encoder
        self._at_once = at_once
        self._saturated = saturated
        self._is_threaded = is_threaded
        self._clock = clock
        self._wall = wall
        self._changed = threading.Condition()
        self._pile = Pile()
        self._done: dict[str, Done] = {}
        self._circuit = Circuit()
        self._asked_at: float | None = None  # since when a call has been under way
        self._is_working = False

    def open(self) -> None:
        """From now on the metrics are this desk's."""
        metrics.start_profiles_at_zero(self._consumer)
        metrics.profiles_pending.labels(self._consumer).set_function(lambda: len(self))
        metrics.profiles_oldest_seconds.labels(self._consumer).set_function(self._oldest_s)
        metrics.profile_circuit.labels(self._consumer).set_function(lambda: self.circuit != "closed")
        for state in get_args(ModelState):
            is_in = partial(self._is_in, state)
            metrics.profile_model_state.labels(self._consumer, state).set_function(is_in)

    # ---- for the step ------------------------------------------------------------------------------------

    def submit(self, jobs: Iterable[Job]) -> None:
        """In order, the last is the newest. One that is waiting or done with the same content is not done again."""
        with self._changed:
            for job in jobs:
                done = self._done.get(job.id)
                if done is not None and done.job.content == job.content:
                    self._done[job.id] = replace(done, job=job)
                else:
                    self._done.pop(job.id, None)
                    self._pile.put(job)
            if self._is_threaded and len(self._pile) and not self._is_working:
                self._is_working = True
                threading.Thread(target=self._serve, name="glowplug-profiles", daemon=True).start()
            self._changed.notify_all()

    def wait(self, ids: Sequence[str], timeout_s: float) -> None:
        """Until all of them are done, or the model fails, at most so long."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._circuit.cause or not any(id_ in self._pile for id_ in ids), timeout_s
            )

    def done(self) -> tuple[Done, ...]:
        with self._changed:
            return tuple(self._done.values())

    def settle(self, done: Iterable[Done]) -> None:
        """They are published or no longer wanted."""
        with self._changed:
            for one in done:
                if self._done.get(one.job.id) is one:
                    del self._done[one.job.id]

    def withdraw(self, ids: Iterable[str]) -> None:
        """Nobody wants to know any more."""
        with self._changed:
            for id_ in ids:
                self._pile.drop(id_)
                self._done.pop(id_, None)
            self._changed.notify_all()  # a thread with nothing left ends

    def revoke(self, partitions: frozenset[int]) -> None:
        """The inputs of these partitions are somebody else's."""
        with self._changed:
            jobs = (*self._pile, *(done.job for done in self._done.values()))
            self.withdraw([job.id for job in jobs if job.record.partition in partitions])

    def __len__(self) -> int:
        """Jobs that wait or are under way."""
        with self._changed:
            return len(self._pile)

    @property
    def circuit(self) -> State:
        with self._changed:
            return self._circuit.state(self._clock())

    def pause_s(self) -> float:
        """Until a failing model is asked again; 0: it may be asked."""
        with self._changed:
            return self._circuit.wait_s(self._clock())

    def condition(self) -> Condition:
        """For /health: lists go out all the same, so that nothing here is worse than degraded."""
        with self._changed:
            state, cause, waiting = self.state(), self._circuit.cause, len(self._pile)
        longest = f"{waiting} wait for the profile model, the longest for {self._oldest_s():.0f} s"
        told: dict[ModelState, Condition] = {
            "up": Condition("ok", longest if waiting else ""),
            "slow": Condition("degraded", f"{longest}: a call has not returned for {SLOW_S:.0f} s and more"),
            "saturated": Condition("degraded", f"{longest}: more comes than it can read"),
            "down": Condition("degraded", f"{longest}: {cause}"),
        }
        return told[state]

    def state(self) -> ModelState:
        """How the model fares."""
        with self._changed:
            if self._circuit.cause:
                return "down"
            if self._asked_at is not None and self._clock() - self._asked_at > SLOW_S:
                return "slow"
            return "saturated" if self._saturated is not None and len(self._pile) > self._saturated else "up"

    def _is_in(self, state: ModelState) -> float:
        return float(self.state() == state)

    def _oldest_s(self) -> float:
        with self._changed:
            oldest = self._pile.oldest_ms()
        return 0.0 if oldest is None else max(0.0, self._wall() - oldest / 1000)

    # ---- the work ----------------------------------------------------------------------------------------

    def work(self) -> bool:
        """One call of the model, if it may be asked now. False where nothing waits."""
        with self._changed:
            now = self._clock()
            state = self._circuit.state(now)
            if self._circuit.wait_s(now):
                return len(self._pile) > 0
            jobs = self._pile.take(1 if state == "half_open" else self._at_once)
        if not jobs:
            return False
        started, self._asked_at = time.perf_counter(), now
        try:
            done = self._inferred(jobs)
        except GlowplugError as error:
            self._fail(jobs, error)
            return True
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end this thread in silence
            self._fail(jobs, ModelUnavailable(shown(f"{type(error).__name__}: {error}")))
            return True
        finally:
            self._asked_at = None
        metrics.profile_seconds.labels(self._consumer).observe((time.perf_counter() - started) / len(jobs))
        with self._changed:
            if any(job.inferred is None for job in jobs):  # else it was not asked
                if self._circuit.cause:
                    log.info("the profile model answers again")
                self._circuit.succeeded()
            for one in done:
                current = self._pile.finish(one.job)
                if current is None:
                    metrics.profiles_late.labels(self._consumer).inc()
                else:
                    self._done[current.id] = replace(one, job=current)
            self._changed.notify_all()
            return len(self._pile) > 0

    def _serve(self) -> None:
        while True:
            self.work()
            with self._changed:
                if not len(self._pile):
                    self._is_working = False
                    return
                pause_s = self._circuit.wait_s(self._clock())
                if pause_s:  # a step that submits wakes this up: it only looks again
                    self._changed.wait(pause_s)

    def _fail(self, jobs: Sequence[Job], error: GlowplugError) -> None:
        metrics.profile_failures.labels(self._consumer).inc()
        with self._changed:
            before = self._circuit.state(self._clock())
            self._circuit.failed(self._clock(), str(error), is_final=isinstance(error, Fatal))
            self._pile.give_back(jobs, failed=True)
            pause_s = self._circuit.wait_s(self._clock())
            self._changed.notify_all()
        say = log.warning if before == "closed" else log.info
        say("profiles wait: %s; the model is asked again in %.0f s", error, pause_s)

    def _inferred(self, jobs: Sequence[Job]) -> list[Done]:
        """Raises Recoverable, or Fatal, where it is the model that fails and not a text."""
        asked = [job for job in jobs if job.inferred is None]
        outcomes: dict[str, Inferred | ModelRejected] = {
            job.id: job.inferred for job in jobs if job.inferred is not None
        }
        outcomes |= zip(
            (job.id for job in asked), infer_each(self._model, [job.subject for job in asked]), strict=True
        )
        metrics.profile_inferences.labels(self._consumer).inc(len(asked))
        metrics.profiles_saved.labels(self._consumer).inc(len(jobs) - len(asked))
        done: list[tuple[Job, Inferred | ModelRejected]] = []
        for job in jobs:
            outcome = outcomes[job.id]
            if isinstance(outcome, Inferred):
                outcome = founded(job.subject, outcome)
                metrics.unfounded_claims.labels(self._consumer).inc(outcome.unfounded)
            done.append((job, outcome))
        read = [(job, outcome) for job, outcome in done if isinstance(outcome, Inferred)]
        vectors = self._encode([text for _, outcome in read for text in phrases(outcome)])
        return [
            Done(job, outcome, embedded(outcome, vectors))
            if isinstance(outcome, Inferred) and self._encoder is not None
            else Done(job, outcome)
            for job, outcome in done
        ]

    def _encode(self, texts: Sequence[str]) -> Mapping[str, Outcome]:
        if self._encoder is None:
            return {}
        distinct = list(dict.fromkeys(texts))
        return dict(zip(distinct, encode_each(self._encoder, distinct, "user"), strict=True))
