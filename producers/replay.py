"""A folder of events, in the order in which they happened, through a running stack; each like tests a list.

python -m producers.replay ml-100k --bootstrap-servers localhost:9092 --tail 10000 --closed-loop
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from glowplug.embedded.pacing import gate_for
from glowplug.errors import BadSettings, Fatal, Recoverable
from glowplug.settings import Settings
from producers.command import SERVERS, positive, settings_for
from producers.drive import DEADLINE_S, replay
from producers.prequential import BASELINES, Account, Popularity
from producers.timeline import cut, read
from producers.turns import ByTime, ClosedLoop, Turns

FACTOR = 1_000.0  # a day in a minute and a half
IN_FLIGHT = 16  # users who wait at once: enough that no consumer idles, few enough that order by time stays near


# ---- command line ----------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    errors, out = Console(stderr=True, highlight=False), Console(highlight=False)
    try:
        figures, _ = played(
            options.folder,
            settings_for(options.bootstrap_servers),
            factor=None if options.closed_loop else options.factor,
            tail=options.tail,
            seed=options.seed,
            k=options.k,
            in_flight=options.in_flight,
            deadline_s=options.deadline,
            console=errors,
        )
        if options.json is not None:
            options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except (Fatal, Recoverable) as error:
        errors.print(f"replay: {error}", markup=False, soft_wrap=True)
        return error.exit_code
    out.print(table(figures))
    return 0


def played(
    folder: Path,
    settings: Settings,
    *,
    factor: float | None = None,
    tail: int | None = None,
    seed: int | None = None,
    k: int | None = None,
    in_flight: int = IN_FLIGHT,
    deadline_s: float = DEADLINE_S,
    console: Console | None = None,
) -> tuple[dict[str, Any], Account]:
    """The whole command: its figures, and the account, with which another replay of the same stream is compared.

    factor: None is a closed loop. Raises as `replay`, and BadInputFile, BadSettings.
    """
    size = settings.ranking.list_size
    k = k or size
    if k > size:
        raise BadSettings(f"--k {k}: a list has ranking.list_size ({size}) items: ask for no more, or raise that")
    moments = read(folder, settings.stream.max_record_bytes, seed)
    start = cut(moments, tail)
    item_ids = [moment.item_id for moment in moments if moment.topic == "items"]
    half_lives = (None, settings.ranking.popularity_days)
    account = Account(
        {name: Popularity(item_ids, days) for name, days in zip(BASELINES, half_lives, strict=True)}, k
    )
    rest = moments[start:]
    turns: Turns = ClosedLoop(rest, in_flight) if factor is None else ByTime(rest, factor)
    with _bar(console, len(moments)) as advance:
        found = replay(
            moments, start, settings, turns, account,
            deadline_s=deadline_s, gate=gate_for(settings), advance=advance,
        )  # fmt: skip
    pace: dict[str, Any] = {"mode": "closed loop", "in_flight": in_flight} if factor is None else {"factor": factor}
    return {**pace, "tail": tail, "seed": seed, **found}, account


def table(figures: dict[str, Any]) -> Table:
    """Hit rates beside popularity's, whole and by what was known; what surrounds them in the caption."""
    k, after = figures["k"], figures["list_after_ms"]
    shown = Table(
        title=f"Was the next like on the published list? (hit rate@{k})",
        caption="; ".join(
            (
                f"{figures['events']:,} events in {figures['seconds']:,} s ({figures['events_per_s']:,}/s)",
                *(
                    f"lead over {name.replace('_', ' ')} {lead['mean']:+.4f} ± {lead['margin_95']:.4f}"
                    for name, lead in figures["lead_over"].items()
                ),
                f"stale {figures['stale_tests']:,}",
                f"without a list {figures['tests_without_a_list']:,}",
                f"repeats left out {figures['repeats_left_out']:,}",
                f"unanswered {figures['unanswered']:,}",
                f"list after {after['p50']:g} ms, p99 {after['p99']:g} ms",
            )
        ),
    )
    for name in ("interactions known", "likes tested", "published", "popularity", "recent popularity"):
        shown.add_column(name, justify="right")
    for name, score in {**figures["by_interactions_known"], "all": figures}.items():
        rates = (score["hit_rate"], *(score[f"{baseline}_hit_rate"] for baseline in BASELINES))
        shown.add_row(name, f"{score['tests']:,}", *(f"{rate:.4f}" for rate in rates))
    return shown


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m producers.replay", description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", type=Path, help="of *.jsonl events, or of RecBole atomic files (*.inter, *.item, *.user)"
    )
    parser.add_argument("--bootstrap-servers", help=SERVERS)
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--factor", type=positive, default=FACTOR, help="times as fast as it was (default: 1000)")
    pace.add_argument(
        "--closed-loop", action="store_true", help="a user's next event waits for the list that the last one caused"
    )
    parser.add_argument(
        "--tail", type=_count, help="import all before the last so many interactions; default: replay everything"
    )
    parser.add_argument("--seed", type=int, help="draws the order at equal times; default: the files' order")
    parser.add_argument("--k", type=_count, help="how much of a list counts (default: ranking.list_size)")
    parser.add_argument(
        "--in-flight", type=_count, default=IN_FLIGHT, help=f"closed loop: users who wait at once ({IN_FLIGHT})"
    )
    parser.add_argument(
        "--deadline", type=positive, default=DEADLINE_S, help=f"seconds to wait for a list ({DEADLINE_S:g})"
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


@contextmanager
def _bar(console: Console | None, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over the events, on a terminal only."""
    if console is None or not console.is_terminal:
        yield lambda _: None
        return
    with Progress(console=console) as progress:
        task = progress.add_task("events", total=total)
        yield lambda count: progress.advance(task, count)


if __name__ == "__main__":
    sys.exit(main())
