"""What bench.refine makes of the moments that it heard."""

from __future__ import annotations

from typing import Any

import pytest

from bench.refine_ears import Newcomer
from bench.refine_report import Phase, backlog, figures_of


def newcomer(number: int, read_at: float, listed_after: float = 0.05) -> Newcomer:
    """Sent at second `number`."""
    return Newcomer(
        f"u{number}", number, listed_at=number + listed_after, read_at=read_at, refined_at=read_at + 0.01, claims=1
    )


def phase(*newcomers: Newcomer, ended_at: float = 10.0) -> Phase:
    return Phase("encoder", newcomers, ended_at, {})


@pytest.mark.parametrize(
    ("read_at", "newest_first"),
    [((14.0, 13.0, 12.0), 1.0), ((12.0, 13.0, 14.0), 0.0), ((13.0, 14.0, 12.0), 0.667)],
    ids=["newest first", "oldest first", "one pair of three is not"],
)
def test_a_backlog_says_how_long_it_took_and_in_which_order(
    read_at: tuple[float, ...], newest_first: float
) -> None:
    late = [newcomer(number + 7, moment) for number, moment in enumerate(read_at)]
    found = backlog(phase(newcomer(0, 0.2), *late))
    assert found == {
        "most_waiting": 3, "waiting_at_the_end": 3, "made_up_after_s": 4.0, "newest_first": newest_first,
    }  # fmt: skip


def test_without_a_backlog_nothing_is_made_up() -> None:
    found = backlog(phase(*(newcomer(number, number + 0.2) for number in range(5))))
    assert (found["waiting_at_the_end"], found["made_up_after_s"], found["newest_first"]) == (0, 0.0, None)


@pytest.mark.parametrize(
    ("read_after", "listed_after", "rate", "faults"),
    [
        (0.2, 0.05, 2.0, []),
        (0.6, 0.05, 2.0, ["refined lists are late"]),
        (0.6, 0.05, 20.0, []),
        (0.2, 0.1, 2.0, ["provisional lists are slower than with profiles off"]),
    ],
    ids=["as asked", "late", "an overload", "in the way"],
)
def test_what_is_not_as_asked_is_named(
    read_after: float, listed_after: float, rate: float, faults: list[str]
) -> None:
    off = phase(*(newcomer(number, number + 0.2) for number in range(5)))
    on = phase(*(newcomer(number, number + read_after, listed_after) for number in range(5)))
    found: dict[str, Any] = figures_of(off, on, rate=rate)
    assert (found["faults"], found["within"]) == (faults, not faults)
