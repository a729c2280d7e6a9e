"""Every scenario by its name: a function of a bed, a seed and a number of runs, yielding results as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tests.faults.bed import Bed, Result
from tests.faults.scenarios.freezes import freezes
from tests.faults.scenarios.groups import groups
from tests.faults.scenarios.kills import kill_points, random_kills
from tests.faults.scenarios.outages import broker_kills, redis_faults
from tests.faults.world import WHOLE

Scenario = Callable[[Bed, int, int], Iterator[Result]]

OPTIONAL = ("profile_writer", "interaction_rekeyer")


def whole(bed: Bed, seed: int, runs: int) -> Iterator[Result]:
    """The consumers that not every topology has, within one that has them."""
    yield from kill_points(bed, seed, OPTIONAL, WHOLE)
    yield from random_kills(bed, seed, runs, topology=WHOLE)
    yield from freezes(bed, seed, OPTIONAL, WHOLE)
    yield from broker_kills(bed, seed, OPTIONAL, WHOLE)


# runs: of random kills; the others do each of their faults once. What takes longest comes last.
SCENARIOS: Mapping[str, Scenario] = {
    "broker": lambda bed, seed, _runs: broker_kills(bed, seed),
    "whole": lambda bed, seed, runs: whole(bed, seed, runs // 10),
    "redis": lambda bed, seed, _runs: redis_faults(bed, seed),
    "groups": lambda bed, seed, _runs: groups(bed, seed),
    "freezes": lambda bed, seed, _runs: freezes(bed, seed),
    "kill-points": lambda bed, seed, _runs: kill_points(bed, seed),
    "random-kills": lambda bed, seed, runs: random_kills(bed, seed, runs),
}
