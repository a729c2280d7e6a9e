"""Delays of provisional and refined lists, and the backlog of an overload: as figures for a file, and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from rich.table import Table

from bench.latency_report import percentiles
from bench.refine_ears import Newcomer

REFINED_P50_MS, REFINED_P99_MS = 500.0, 3_000.0  # what is asked at 2 users/s on two cores
OVERLOAD = 10.0  # users a second above which no refined list is asked for in time
SLOWER = 1.25  # p50 of provisional lists against profiles off: between runs it differs by a tenth
SLACK_MS = 5.0


@dataclass(frozen=True, slots=True)
class Phase:
    """ended_at: perf_counter when the last newcomer was sent. inside: means of the stack's own histograms."""

    model: str
    newcomers: Sequence[Newcomer]
    ended_at: float
    inside: dict[str, dict[str, float]]


def figures_of(off: Phase, on: Phase, *, rate: float) -> dict[str, Any]:
    bare, beside = _delays(off, "listed_at"), _delays(on, "listed_at")
    refined = _delays(on, "refined_at")
    is_overload = rate > OVERLOAD
    faults = []
    if beside["p50"] > bare["p50"] * SLOWER + SLACK_MS:
        faults.append("provisional lists are slower than with profiles off")
    if not is_overload and (refined.get("p50", 1e9) > REFINED_P50_MS or refined.get("p99", 1e9) > REFINED_P99_MS):
        faults.append("refined lists are late")
    return {
        "provisional_ms": {"off": bare, "encoder": beside},
        "profile_ms": _delays(on, "read_at"),
        "refined_ms": refined,
        "answers": {
            "users": len(on.newcomers),
            "with_claims": sum(one.claims > 0 for one in on.newcomers),
            "pending": sum(one.pending_at is not None for one in on.newcomers),
            "refined": sum(one.refined_at is not None for one in on.newcomers),
        },
        "backlog": backlog(on),
        "inside_ms": {"off": off.inside, "encoder": on.inside},
        "faults": faults,
        "within": not faults,
    }


def backlog(phase: Phase) -> dict[str, float | None]:
    """What was left to read when the last newcomer had been sent, and how long that took.

    newest_first: of all pairs that were read after that, the share of which the newer was read first.
    """
    known = [(one.sent_at, one.read_at) for one in phase.newcomers if one.read_at is not None]
    late = [pair for pair in known if pair[1] > phase.ended_at]
    pairs = [(one, other) for one, other in combinations(late, 2) if one[1] != other[1]]
    newest_first = sum((one[0] < other[0]) == (one[1] > other[1]) for one, other in pairs)
    moments = sorted([(sent, 1) for sent, _ in known] + [(read, -1) for _, read in known])
    waiting = most = 0
    for _, step in moments:
        waiting += step
        most = max(most, waiting)
    return {
        "most_waiting": most,
        "waiting_at_the_end": len(late),
        "made_up_after_s": round(max((read for _, read in late), default=phase.ended_at) - phase.ended_at, 1),
        "newest_first": round(newest_first / len(pairs), 3) if pairs else None,
    }


def table(figures: dict[str, Any]) -> Iterator[Table]:
    shown = Table(
        title=f"{figures['users']} newcomers, {figures['users_per_s']:g}/s, broker {figures['broker']}",
        caption="milliseconds after user.created was sent; " + ("; ".join(figures["faults"]) or "all as asked"),
    )
    for name in ("", "p50", "p90", "p99", "longest"):
        shown.add_column(name, justify="left" if not name else "right")
    for name, found in (
        ("first list, profiles off", figures["provisional_ms"]["off"]),
        ("first list, profiles by encoder", figures["provisional_ms"]["encoder"]),
        ("profile", figures["profile_ms"]),
        ("refined list", figures["refined_ms"]),
    ):
        shown.add_row(name, *(f"{found[end]:.0f}" if found else "" for end in ("p50", "p90", "p99", "longest")))
    yield shown
    counts = Table(show_header=False)
    for name, value in (figures["answers"] | figures["backlog"]).items():
        counts.add_row(name.replace("_", " "), "" if value is None else f"{value:g}")
    yield counts


def _delays(phase: Phase, end: str) -> dict[str, float]:
    moments = ((one.sent_at, getattr(one, end)) for one in phase.newcomers)
    return percentiles([moment - sent for sent, moment in moments if moment is not None])
