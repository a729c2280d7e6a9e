"""`python -m tests.faults`: every scenario, and a page of what came of it. Ends with 1 where a promise broke."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.machine import described
from tests.faults.bed import Bed, Result
from tests.faults.oracle import Violation
from tests.faults.report import page
from tests.faults.scenarios import SCENARIOS
from tests.faults.world import SETTLE_S

SHOWN = 20  # violations of one fault: where there are hundreds, they are of one kind


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="kills at random moments")
    parser.add_argument("--seed", type=int, default=1, help="of the workload and of every chance")
    parser.add_argument("--only", choices=SCENARIOS, nargs="+", default=list(SCENARIOS), help="these scenarios")
    parser.add_argument("--report", type=Path, help="write the page here, such as docs/reliability.md")
    options = parser.parse_args()
    results: list[Result] = []
    for name in options.only:
        for result in _told(name, options.seed, options.runs):
            results.append(result)
            print(f"{result.fault}: {result.runs} runs, {len(result.violations)} violations", flush=True)
            for violation in result.violations[:SHOWN]:
                print(f"  {violation}", flush=True)
    if options.report:
        options.report.write_text(page(results, described(), SETTLE_S), "utf-8")
    return int(any(result.violations for result in results))


def _told(name: str, seed: int, runs: int) -> Iterator[Result]:
    """The scenario's results on a bed of its own; what stops it is a violation, and the next one goes on."""
    began = time.monotonic()
    try:
        with Bed() as bed:
            yield from SCENARIOS[name](bed, seed, runs)
    except AssertionError as error:
        yield Result(f"{name}: not carried out", 0, (Violation("scenario", name, str(error)),))
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
