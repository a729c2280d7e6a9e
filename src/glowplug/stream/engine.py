"""What a worker keeps over the lives of its clients."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic

from glowplug.serving.store import Store
from glowplug.settings import Settings
from glowplug.stream.compute import Lane
from glowplug.stream.dead_letters import RatioGuard
from glowplug.stream.positions import Place
from glowplug.stream.reader import Names
from glowplug.stream.step import Changes, Context, Step
from glowplug.stream.tables import Tables


@dataclass(slots=True)
class Engine(Generic[Changes]):
    """committed: our own next offsets, for a broker that keeps none. lag: records that wait, by logical topic."""

    step: Step[Changes]
    store: Store | None
    settings: Settings
    context: Context
    names: Names
    lane: Lane
    tables: Tables
    guard: RatioGuard
    clock: Callable[[], float]
    wall: Callable[[], datetime]
    is_builtin: bool
    stopping: threading.Event = field(default_factory=threading.Event)
    ready: threading.Event = field(default_factory=threading.Event)
    committed: dict[Place, int] = field(default_factory=dict)
    lag: dict[str, int] = field(default_factory=dict)
