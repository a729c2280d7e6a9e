"""Delays of each path beside its floor: as figures for a file, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from rich.table import Table

MOST_S = 1.0  # p99
MOST_FLOORS = 3.0  # p50


@dataclass(slots=True)
class Measured:
    """One kind of event. to_topic, to_redis: seconds. silent: events that no list answered, such as new items that
    are nobody's top-k."""

    name: str
    to_topic: list[float] = field(default_factory=list)
    to_redis: list[float] = field(default_factory=list)
    silent: int = 0
    inside: dict[str, dict[str, float]] = field(default_factory=dict)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and the longest, in milliseconds; of fewer than two, none."""
    if len(seconds) < 2:
        return {}
    cuts = quantiles(seconds, n=100, method="inclusive")
    chosen = {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "longest": max(seconds)}
    return {name: round(1e3 * value, 2) for name, value in chosen.items()}


def figures_of(path: Measured, floor: dict[str, dict[str, float]]) -> dict[str, Any]:
    """inside_ms: means of the stack's own histograms over the same events, by consumer."""
    ends: dict[str, dict[str, float | bool | None]] = {}
    for end, seconds in (("topic", path.to_topic), ("redis", path.to_redis)):
        found = percentiles(seconds)
        least = floor[path.name][end]
        if not found:  # nobody answered
            ends[end] = {"p50": None, "p99": None, "floor_p50": least, "ratio": None, "within": False}
            continue
        ratio = round(found["p50"] / least, 2)
        within = found["p99"] < 1e3 * MOST_S and ratio <= MOST_FLOORS
        ends[end] = {**found, "floor_p50": least, "ratio": ratio, "within": within}
    answered = len(path.to_topic)
    return {"event": path.name, "answered": answered, "silent": path.silent, **ends, "inside_ms": path.inside}


def rows(figures: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "event": path["event"],
            "until": until,
            "answered": path["answered"],
            "silent": path["silent"],
            **path[end],
        }
        for path in figures["paths"]
        for end, until in (("topic", "list on its topic"), ("redis", "list in Redis"))
    ]


def table(figures: dict[str, Any]) -> Table:
    size = f"{figures['users']:,} users, {figures['items']:,} items"
    shown = Table(
        title=f"{size}, {figures['events_per_s']:g} events/s, broker {figures['broker']}",
        caption=f"asked: p99 < {MOST_S:g} s, p50 at most {MOST_FLOORS:g} floors; milliseconds",
    )
    for name in ("event", "until", "answered", "silent", "p50", "p99", "floor p50", "ratio", ""):
        shown.add_column(name, justify="left" if name in ("event", "until", "") else "right")
    for row in rows(figures):
        shown.add_row(
            row["event"], row["until"], str(row["answered"]), str(row["silent"]),
            *("" if row[name] is None else f"{row[name]:.1f}" for name in ("p50", "p99", "floor_p50", "ratio")),
            "" if row["within"] else "OVER",
        )  # fmt: skip
    return shown
