"""Where a training's curves go besides the terminal: TensorBoard, and Weights & Biases where that is set up."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

EVENTS = "tensorboard"
PROJECT = "WANDB_PROJECT"  # Weights & Biases' own variable; without it nothing leaves this machine


class Tracker(Protocol):
    def scalar(self, name: str, value: float, step: int) -> None:
        """One point of the curve `name`."""


class _Nobody:
    def scalar(self, name: str, value: float, step: int) -> None:
        pass


nobody: Tracker = _Nobody()


class TensorBoard:
    def __init__(self, folder: Path) -> None:
        self._writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter(str(folder))

    def scalar(self, name: str, value: float, step: int) -> None:
        self._writer.add_scalar(name.replace(" ", "_"), value, step)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """Each curve with a step axis of its own, since several of them start anew."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._run = importlib.import_module("wandb").init(dir=str(folder), config=dict(config))

    def scalar(self, name: str, value: float, step: int) -> None:
        self._run.define_metric(name, step_metric=f"{name} (step)")
        self._run.log({name: value, f"{name} (step)": step})

    def close(self) -> None:
        self._run.finish()


class _All:
    """Safe to call from many threads, as not all of those it tells are."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = trackers
        self._lock = threading.Lock()

    def scalar(self, name: str, value: float, step: int) -> None:
        with self._lock:
            for tracker in self._trackers:
                tracker.scalar(name, value, step)


@contextmanager
def tracked(folder: Path, config: Mapping[str, Any], *others: Tracker) -> Iterator[Tracker]:
    """TensorBoard's events in `folder`/tensorboard where that package is installed; a run of Weights & Biases where
    that one is, and WANDB_PROJECT names a project; and `others`."""
    found: list[TensorBoard | WeightsAndBiases] = []
    if find_spec("tensorboard") is not None:
        found.append(TensorBoard(folder / EVENTS))
    if os.environ.get(PROJECT) and find_spec("wandb") is not None:
        found.append(WeightsAndBiases(folder, config))
    try:
        yield _All([*found, *others])
    finally:
        for one in found:
            one.close()
