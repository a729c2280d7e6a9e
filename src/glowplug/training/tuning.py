"""Choosing hyperparameters: coordinate search over small grids, the same steps every time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

Choice = Mapping[str, float]
Grid = Mapping[str, Sequence[float]]
Value = Callable[[Choice], float]
Watch = Callable[[float], None]
"""Gets the criterion of each option as it is tried."""
# A step must gain this much of the criterion: smaller ones are the noise of a validation set.
LEAST_GAIN = 3e-4


@dataclass(frozen=True, slots=True)
class Problem:
    """Where a search starts, the options of each name, and what a choice is worth on validation: more is better."""

    start: Choice
    grid: Grid
    value: Value


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


def solved(problem: Problem, watch: Watch = lambda _: None) -> tuple[dict[str, float], float]:
    """The best choice that coordinate search finds, and its value."""

    def value(choice: Choice) -> float:
        found = problem.value(choice)
        watch(found)
        return found

    return search(problem.start, problem.grid, value)


def search(start: Choice, grid: Grid, value: Value, rounds: int = 2) -> tuple[dict[str, float], float]:
    """The best choice found and its value. One name after the other takes its best value; `rounds` times, or until
    a round changes nothing."""
    best = dict(start)
    reached = value(best)
    for _ in range(rounds):
        changed = False
        for name, options in grid.items():
            for option in options:
                if option == best.get(name):
                    continue
                found = value({**best, name: option})
                if found > reached + LEAST_GAIN:
                    best, reached, changed = {**best, name: option}, found, True
        if not changed:
            break
    return best, reached
