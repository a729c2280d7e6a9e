"""The tail of MovieLens 100K, test-then-train, through a stack started for it; see docs/guides/replay.md.

python -m bench.replay --json bench/results/replay-apache.json
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench.apart import running
from bench.machine import write
from glowplug.data.ml100k import fetch
from glowplug.settings import load
from producers.replay import run, table

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
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="ml-100k-") as folder:
        fetch(Path(folder), options.data)
        with running(options.broker, load()) as stack:
            figures = run(
                Path(folder), stack.settings,
                factor=options.factor, tail=options.tail, seed=options.seed, console=console,
            )  # fmt: skip
            figures = {"broker": options.broker, **figures}
            console.print(table(figures))
            if options.json:
                write(options.json, figures)
    return 0 if not figures["unanswered"] else 1


if __name__ == "__main__":
    sys.exit(main())
