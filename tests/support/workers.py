"""Consumers at work in threads of this process, on a real broker."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from glowplug.serving.store import Store
from glowplug.settings import Settings
from glowplug.stream.admin import topic_info
from glowplug.stream.step import Step
from glowplug.stream.worker import Worker

READY_S, STOP_S = 30.0, 30.0


@contextmanager
def at_work(settings: Settings, steps: Sequence[Step[Any]], store: Store | None = None) -> Iterator[None]:
    """All have their partitions, restored; in the end each commits what it has and stops, and none has failed.

    store: of those steps that write to one.
    """
    context = topic_info(settings)
    failures: list[BaseException] = []

    def run(worker: Worker[Any]) -> None:
        try:
            worker.run()
        except BaseException as error:  # noqa: BLE001  raised below, in the test's thread
            failures.append(error)
            worker.ready.set()

    with ExitStack() as stack:
        stack.callback(lambda: _raise_first(failures))
        for step in steps:
            worker: Worker[Any] = Worker(step, settings, context=context, store=store)
            thread = threading.Thread(target=run, args=(worker,), name=step.name, daemon=True)
            thread.start()
            stack.callback(_stop, worker, thread)
            assert worker.ready.wait(READY_S), f"{step.name} is not ready within {READY_S:g} s"
        yield


def _stop(worker: Worker[Any], thread: threading.Thread) -> None:
    worker.stop()
    thread.join(STOP_S)
    assert not thread.is_alive(), f"{thread.name} does not stop within {STOP_S:g} s"


def _raise_first(failures: list[BaseException]) -> None:
    if failures:
        raise failures[0]
