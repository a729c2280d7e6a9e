"""Time and memory of `glowplug train` and `glowplug evaluate` on a folder of atomic files, and what they find.

Both run as their own processes, with an empty cache of texts unless --warm keeps it, so that encoding counts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from bench import synthetic
from bench.machine import write

MIB = 1 / 1024  # of the kibibytes that Linux counts maximum resident memory in


def measured(arguments: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Seconds and peak memory of `glowplug ARGUMENTS`; its output goes to ours."""
    started = time.perf_counter()
    command = [sys.executable, "-c", "from glowplug.cli import main; main()", *arguments]
    process = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"glowplug {arguments[0]} ended with {process.returncode}")
    return {
        "wall_s": round(time.perf_counter() - started, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mib": round(usage.ru_maxrss * MIB),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="atomic files; none: a made-up data set")
    parser.add_argument("--users", type=int, default=100_000, help="of the made-up one")
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--warm", action="store_true", help="keep this user's cache of encoded texts")
    parser.add_argument("--only", choices=("train", "evaluate"))
    parser.add_argument("--out", type=Path, help="keep what the evaluation wrote, and its page, there")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        folder, out = given.folder, given.out or place / "evaluated"
        if folder is None:
            folder = place / "synthetic"
            synthetic.write(folder, given.users, given.items, given.interactions, seed=0)
        environment = dict(os.environ)
        if not given.warm:
            environment["GLOWPLUG_ENCODER__CACHE_DIR"] = str(place / "cache")
            # The model's own files are made once for each cache; that is no part of a data set's cost.
            subprocess.run(
                [
                    sys.executable,
                    "-c",
                    "from glowplug.inference.encoder import load; from glowplug.settings import "
                    "load as settings; load(settings().encoder)",
                ],
                env=environment,
                check=True,
            )
        figures: dict[str, Any] = {}
        if given.only != "evaluate":
            figures["train"] = measured(["train", str(folder), "--out", str(place / "head")], environment)
        if given.only != "train":
            figures["evaluate"] = measured(["evaluate", str(folder), "--out", str(out)], environment)
            figures |= _of(out / "figures.json")
    for name in ("train", "evaluate"):
        if name in figures:
            print(f"{name:>9}: {figures[name]['wall_s']:,.0f} s, {figures[name]['peak_mib']:,} MiB at most")
    if given.json:
        write(given.json, figures)


def _of(path: Path) -> dict[str, Any]:
    """Of the evaluation what a table needs: means with intervals, no plots."""
    found = orjson.loads(path.read_bytes())
    keep = ("task", "model", "users", "draws", "seconds", "means", "shape", "leads", "overlap")
    return {
        "data": found["data"],
        "encoder": found["encoder"],
        "k": found["k"],
        "lines": [{name: line[name] for name in keep} for line in found["lines"]],
    }


if __name__ == "__main__":
    main()
