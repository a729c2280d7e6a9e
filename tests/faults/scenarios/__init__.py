"""Every scenario by its name: a function of a bed, a seed and a number of runs, yielding results as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tests.faults.bed import Bed, Result
from tests.faults.scenarios.freezes import freezes
from tests.faults.scenarios.groups import groups
from tests.faults.scenarios.kills import kill_points, random_kills
from tests.faults.scenarios.outages import broker_kills, redis_faults

Scenario = Callable[[Bed, int, int], Iterator[Result]]

# runs: of random kills; the others do each of their faults once.
SCENARIOS: Mapping[str, Scenario] = {
    "kill-points": lambda bed, seed, _runs: kill_points(bed, seed),
    "random-kills": lambda bed, seed, runs: random_kills(bed, seed, runs),
    "freezes": lambda bed, seed, _runs: freezes(bed, seed),
    "groups": lambda bed, seed, _runs: groups(bed, seed),
    "broker": lambda bed, seed, _runs: broker_kills(bed, seed),
    "redis": lambda bed, seed, _runs: redis_faults(bed, seed),
}
