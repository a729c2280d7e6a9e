"""The tail of MovieLens 100K, test-then-train, through a stack started for it; see docs/guides/replay.md.

python -m bench.replay --json bench/results/replay-apache.json
python -m bench.replay --data data/ml-100k-atomic --train-head --json bench/results/replay-head-apache.json
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.apart import profiles_of, running, take_profiles
from bench.machine import write
from bench.past import write_past
from glowplug.data.ml100k import fetch
from glowplug.errors import BadSettings, NotPromoted
from glowplug.heads.folder import place_of, read_pointer
from glowplug.settings import Settings, load
from producers.prequential import Account
from producers.replay import played, table
from producers.timeline import cut, read

TAIL = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--broker", choices=("apache", "builtin"), default="apache")
    parser.add_argument(
        "--data", type=Path, help="folder of RecBole atomic files; default: the recbole wheel's copy"
    )
    parser.add_argument("--tail", type=int, default=TAIL, help="interactions replayed; those before are imported")
    parser.add_argument("--seed", type=int, default=0, help="draws the order within one second")
    parser.add_argument("--factor", type=float, help="times as fast as it was; default: a closed loop")
    with_head = parser.add_mutually_exclusive_group()
    with_head.add_argument(
        "--train-head", action="store_true", help="replay again with a head trained on what lies before the tail"
    )
    with_head.add_argument(
        "--head", type=Path, help="replay again with this head, which must not have seen the tail"
    )
    take_profiles(parser)
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="ml-100k-") as temporary:
        folder = Path(temporary)
        fetch(folder / "events", options.data)
        settings = load()
        figures, without = _replay(folder, settings, options, console)
        if options.train_head or options.head:
            figures = _beside(folder, settings, options, console, figures, without)
        if options.json:
            write(options.json, figures)
    return 0 if not figures["unanswered"] else 1


def _replay(
    folder: Path, settings: Settings, options: argparse.Namespace, console: Console, heads: Path | None = None
) -> tuple[dict[str, Any], Account]:
    variables = {"GLOWPLUG_RANKING__HEADS": str(heads)} if heads is not None else {}
    with running(options.broker, settings, variables | profiles_of(options)) as stack:
        profiles = stack.profiles()
        figures, account = played(
            folder / "events", stack.settings,
            factor=options.factor, tail=options.tail, seed=options.seed, console=console,
        )  # fmt: skip
    console.print(table(figures))
    return {"broker": options.broker, "profiles": profiles, **figures}, account


def _beside(
    folder: Path,
    settings: Settings,
    options: argparse.Namespace,
    console: Console,
    figures: dict[str, Any],
    without: Account,
) -> dict[str, Any]:
    """The same stream with the head, and how far it is ahead."""
    began = time.perf_counter()
    head = options.head or _trained(folder, settings, options, console)
    trained_s = round(time.perf_counter() - began, 1)
    heads = folder / "heads"
    told = _promoted(settings, head, heads)
    with_head, account = _replay(folder, settings, options, console, heads)
    lead = account.lead_over(without)
    console.print(f"{told}\nlead of the lists with the head: {lead['mean']:+.4f} ± {lead['margin_95']:.4f}")
    return {
        **with_head,
        "head": read_pointer(heads).serving,
        "promoted": told,
        "trained_s": None if options.head else trained_s,
        "lead_over_lists_without_a_head": lead,
        "without_a_head": figures,
    }


def _trained(folder: Path, settings: Settings, options: argparse.Namespace, console: Console) -> Path:
    """A head of what lies before the tail, and of nothing else."""
    from glowplug.training.train import train

    if options.data is None:
        raise BadSettings("--train-head reads atomic files: name their folder with --data")
    moments = read(folder / "events", settings.stream.max_record_bytes, options.seed)
    past = write_past(options.data, folder / options.data.name, moments[: cut(moments, options.tail)])
    train(
        settings,
        past,
        folder / "head",
        seed=options.seed,
        k=settings.ranking.list_size,
        threshold=None,
        say=console.log,
    )
    return folder / "head"


def _promoted(settings: Settings, head: Path, heads: Path) -> str:
    """What `glowplug promote` says; the replay needs a head that passes. Raises NotPromoted."""
    from glowplug.training.promote import run_promote

    run_promote(settings, head, back=False, on=None, heads=heads)
    pointer = read_pointer(heads)
    if pointer.serving is None or not place_of(heads, pointer.serving).is_dir():
        raise NotPromoted(f"{head} is not in {heads}")
    return pointer.history[-1].gain


if __name__ == "__main__":
    sys.exit(main())
