"""A batch's computation in a thread of its own, so that the poll loop keeps the membership alive meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from glowplug.errors import Recoverable, StoreWiped
from glowplug.observe import metrics
from glowplug.serving.store import Store
from glowplug.stream.killpoints import reached
from glowplug.stream.step import Batch, Changes, Effects, Record, Step

log = logging.getLogger("glowplug.stream")
S = TypeVar("S")

FIRST_RETRY_S = 0.1  # a hiccup is over by then
LAST_RETRY_S = 5.0  # an outage is noticed to be over within this time


class Work(Generic[Changes]):
    """One batch in flight. `group`: the consumer group metadata as they were when it was taken."""

    def __init__(self, records: tuple[Record, ...], group: Any) -> None:
        self.records = records
        self.group = group
        self._done = threading.Event()
        self._abandoned = threading.Event()
        self._effects: Effects[Changes] | None = None
        self._error: BaseException | None = None

    def wait(self, timeout_s: float) -> bool:
        """Whether it is done, at the latest after `timeout_s`."""
        return self._done.wait(timeout_s)

    def abandon(self) -> None:
        """Nobody wants the effects any more; a pause before the next attempt ends at once."""
        self._abandoned.set()

    def effects(self) -> Effects[Changes] | None:
        """Of a batch that is done; None where it was abandoned.

        Raises what stopped it: Fatal, StoreWiped, or a fault in the step.
        """
        if self._error is not None:
            raise self._error
        return self._effects

    def run(self, step: Step[Changes], store: Store | None, batch: Callable[[], Batch]) -> None:
        """Compute the effects and write to the store, each until it succeeds or the work is abandoned."""
        try:
            self._effects = self._attempts(step, store, batch)
        except BaseException as error:  # noqa: BLE001  it is raised again, in the thread that waits for it
            self._error = error
        finally:
            self._done.set()

    def _attempts(
        self, step: Step[Changes], store: Store | None, batch: Callable[[], Batch]
    ) -> Effects[Changes] | None:
        pause_s = FIRST_RETRY_S
        effects: Effects[Changes] | None = None
        while not self._abandoned.is_set():
            try:
                if effects is None:
                    effects = _timed_step(step, batch())
                if effects.writes and store is not None:
                    store.fold(effects.writes)
                    reached(f"{step.name}:after_writes")
            except StoreWiped:
                raise  # these writes again would not bring back what else was in it
            except Recoverable as error:
                metrics.retries.labels(step.name).inc()
                log.warning("%s: %s; again in %.1f s", step.name, error, pause_s)
                self._abandoned.wait(pause_s)
                pause_s = min(2 * pause_s, LAST_RETRY_S)
            else:
                return effects
        return None


class Lane:
    """One thread that runs one thing after the other. A daemon: a step that hangs does not hold up the exit."""

    def __init__(self, name: str) -> None:
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def submit(self, task: Callable[[], None]) -> None:
        self._tasks.put(task)

    def close(self) -> None:
        """Ends after what is running."""
        self._tasks.put(None)

    def _serve(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            del task  # what it holds, the clients of an error that it told above all, would stay until the next


def _timed_step(step: Step[Changes], batch: Batch) -> Effects[Changes]:
    reached(f"{step.name}:before_step")
    started = time.perf_counter()
    effects = step.step(batch)
    metrics.step_seconds.labels(step.name).observe(time.perf_counter() - started)
    reached(f"{step.name}:after_step")
    return effects
