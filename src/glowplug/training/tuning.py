"""Choosing hyperparameters: coordinate search over small grids, the same steps every time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Choice = Mapping[str, float]
Grid = Mapping[str, Sequence[float]]
# A step must gain this much of the criterion: smaller ones are the noise of a validation set.
LEAST_GAIN = 3e-4


def search(
    start: Choice, grid: Grid, value: Callable[[Choice], float], rounds: int = 2
) -> tuple[dict[str, float], float]:
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
