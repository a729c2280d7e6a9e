"""A short slice of `make faults`: the whole topology killed, frozen, cut off, and judged by the oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.bed import Bed, Result
from tests.faults.scenarios.freezes import freezes
from tests.faults.scenarios.groups import groups
from tests.faults.scenarios.kills import kill_points, random_kills
from tests.faults.scenarios.outages import broker_kills, redis_faults
from tests.faults.world import WHOLE

SEED = 20_261_124  # any; the same in every run, so that a failure comes again
KILLS = 3

SLICE: dict[str, Callable[[Bed], Iterator[Result]]] = {
    "killed at each step": lambda bed: kill_points(bed, SEED, ("recommender", "redis_writer")),
    "killed at a random moment": lambda bed: random_kills(bed, SEED, KILLS),
    "frozen past its session": lambda bed: freezes(bed, SEED, ("recommender",)),
    "several recommenders": lambda bed: groups(bed, SEED, ("consumer",), storm_s=10),
    "the broker killed": lambda bed: broker_kills(bed, SEED, ("recommender",)),
    "profiles, and interactions re-keyed": lambda bed: random_kills(bed, SEED, KILLS, topology=WHOLE),
    "Redis failing": lambda bed: redis_faults(bed, SEED),
}


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.model
@pytest.mark.parametrize("fault", SLICE)
def test_no_promise_is_broken_by_faults_of_the_kind(fault: str, bed: Bed) -> None:
    broken = [f"{result.fault}: {one}" for result in SLICE[fault](bed) for one in result.violations]
    assert not broken, "\n".join(broken)
