"""How each part of this process fares: a registry that the parts write and /health reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, Protocol, runtime_checkable

from glowplug.observe import metrics
from glowplug.observe.redact import redacted

State = Literal["ok", "degraded", "stopped"]
WORST_FIRST: tuple[State, ...] = ("stopped", "degraded", "ok")


@dataclass(frozen=True, slots=True)
class Condition:
    """state:  ok; degraded: works on with less (Redis is away, a model is slow); stopped: does not work.
    detail: one sentence for a person, empty where all is well."""

    state: State
    detail: str = ""


@runtime_checkable
class Reporting(Protocol):
    """Whatever knows by itself how it fares."""

    def condition(self) -> Condition:
        """Right now; from any thread."""
        ...


class Health:
    """Thread-safe: consumers report from their threads, the server reads from others."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._conditions: dict[str, Callable[[], Condition]] = {}

    def set(self, component: str, state: State, detail: str = "") -> None:
        """`component` is in `state` from now on. Passwords in `detail` (a URL, say) are masked."""
        condition = Condition(state, redacted(detail))
        with self._lock:
            self._conditions[component] = lambda: condition

    def started(self, component: str, part: object) -> None:
        """`part` works from now on: it is asked how it fares where it can tell, and is ok else."""
        if not isinstance(part, Reporting):
            self.set(component, "ok")
            return
        with self._lock:
            self._conditions[component] = part.condition

    def forget(self, component: str) -> None:
        """`component` ended as it should: nobody waits for it."""
        with self._lock:
            self._conditions.pop(component, None)

    def components(self) -> dict[str, Condition]:
        """As of now, in the order in which the components first reported."""
        with self._lock:
            known = dict(self._conditions)
        found = {component: ask() for component, ask in known.items()}
        return {component: Condition(one.state, redacted(one.detail)) for component, one in found.items()}

    def state(self) -> State | Literal["starting"]:
        """The worst of all; "starting" while no component has reported."""
        found = {condition.state for condition in self.components().values()}
        return next((state for state in WORST_FIRST if state in found), "starting")

    def is_serving(self) -> bool:
        """Whether work gets done: what a load balancer or an orchestrator asks."""
        return self.state() in ("ok", "degraded")

    def to_json(self) -> dict[str, Any]:
        """`{"state": …, "lag": …, "components": {name: {"state": …, "detail": …}}}`.

        lag: records that wait for the consumers of this process; producers pace themselves by it.
        """
        waiting = (sample.value for metric in metrics.lag.collect() for sample in metric.samples)
        return {
            "state": self.state(),
            "lag": int(sum(waiting)),
            "components": {
                name: {"state": condition.state, "detail": condition.detail}
                for name, condition in self.components().items()
            },
        }
