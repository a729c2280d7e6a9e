"""Choosing hyperparameters: coordinate search over small grids, the same steps every time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from glowplug.training.side_by_side import side_by_side

Choice = Mapping[str, float]
Grid = Mapping[str, Sequence[float]]
Value = Callable[[Choice], float]
Watch = Callable[[float], None]
"""Gets the criterion of each option as it is tried."""
# A step must gain this much of the criterion: smaller ones are the noise of a validation set.
LEAST_GAIN = 3e-4


@dataclass(frozen=True, slots=True)
class Problem:
    """Where a search starts, the options of each name, and what a choice is worth on each validation set: more is
    better. Cases are asked side by side, each by one thread at a time."""

    start: Choice
    grid: Grid
    cases: Sequence[Value]

    def value(self, choice: Choice) -> float:
        """Mean of all cases."""
        return _mean(_values(self.cases, choice))


def remembered(value: Value, idle: Callable[[Choice], Collection[str]] = lambda _: ()) -> Value:
    """`value`, computed once for each choice. idle: names that make no difference beside the others."""
    known: dict[tuple[tuple[str, float], ...], float] = {}

    def found(choice: Choice) -> float:
        without = set(idle(choice))
        key = tuple(sorted((name, one) for name, one in choice.items() if name not in without))
        if key not in known:
            known[key] = value(choice)
        return known[key]

    return found


def solved(problem: Problem, watch: Watch = lambda _: None, rounds: int = 2) -> tuple[dict[str, float], float]:
    """The best choice that coordinate search finds, and its value.

    One name after the other takes its best option; `rounds` times, or until a round changes nothing. An option that
    is behind on the first half of the cases is not asked on the others (racing, Maron & Moore 1994, NIPS).
    """
    half = -(-len(problem.cases) // 2)
    best = dict(problem.start)
    reached = _values(problem.cases, best)
    watch(_mean(reached))
    for _ in range(rounds):
        changed = False
        for name, options in problem.grid.items():
            for option in options:
                if option == best.get(name):
                    continue
                choice = {**best, name: option}
                found = _values(problem.cases[:half], choice)
                if _mean(found) >= _mean(reached[:half]):
                    found += _values(problem.cases[half:], choice)
                    if _mean(found) > _mean(reached) + LEAST_GAIN:
                        best, reached, changed = choice, found, True
                watch(_mean(found))
        if not changed:
            break
    return best, _mean(reached)


def _values(cases: Sequence[Value], choice: Choice) -> list[float]:
    if len(cases) < 2:  # no thread is needed
        return [case(choice) for case in cases]
    return list(side_by_side(lambda case: case(choice), cases))


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0
