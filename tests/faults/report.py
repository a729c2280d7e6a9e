"""docs/reliability.md: what was done, how often, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.faults.bed import Result
from tests.faults.processes import NOTHING, Held
from tests.faults.world import SPARE_FILES, SPARE_THREADS

HEAD = """# What survives what

Written by `make faults`; not by hand. Each line is a fault that was done to the whole topology, every consumer a
process of its own, on a real Apache Kafka and a real Redis with the real small model, while a product sent valid and
invalid events; how often; and how many of the promises below were then found broken. Kafka is one broker and a
controller apart ([why](decisions/0015-a-controller-apart.md): killed together they break a promise of Kafka's own).

```bash
make faults RUNS=200 SEED=1
```

Once the faults are over and nothing moves any more, an oracle computes from the input topics, with code of its own,
what should have come about, and compares:

| promise | checked |
| --- | --- |
| nothing lost, nothing twice | each valid interaction is in its user's history, seen items, evidence and the item's count exactly once, each repeated event id not again; of each item and user the last valid version is embedded, no version twice; each event is answered by one list |
| each invalid input is one dead letter | with its bytes, its headers and the cause that the sender knows |
| deletes are final | what was said or done before is not remembered, and nothing is listed |
| exact lists | every stored top-k equals brute force over the final items and priors, to the last bit of its scores |
| Redis is the fold of the log | each value, vector and version; nothing besides; also by `glowplug verify --strict` |
| a reader who looks on | at read_committed, all along: versions never go back, no record comes twice, none is there that a later reader does not find (aborted), none is missing |
| lag ends | within {settle_s:.0f} s every consumer has read everything and is at rest; the longest took {longest_s:.1f} s |
| nothing leaks | consumers that lived through faults hold no children, and at rest no more threads and files than at their first rest but for {threads} threads and {files} files (a client or two has a connection more after an outage); none ended by itself. The most seen: {grown.threads} threads, {grown.files} files |

The oracle is tested too: `tests/faults/test_oracle.py` bends a log that is right in each way that it has to notice.
"""  # noqa: E501  a table's row is one line
LISTED = 50  # of one fault
ROW = "| {fault} | {runs} | {violations} |"


def page(results: Sequence[Result], machine: Mapping[str, Any], settle_s: float) -> str:
    """The whole page; results of the same fault are one line, in the order of their first."""
    by_fault: dict[str, list[Result]] = {}
    for result in results:
        by_fault.setdefault(result.fault, []).append(result)
    rows = [
        ROW.format(
            fault=fault,
            runs=f"{sum(result.runs for result in of_fault):,}",
            violations=f"{sum(len(result.violations) for result in of_fault):,}",
        )
        for fault, of_fault in by_fault.items()
    ]
    total = ROW.format(
        fault="all",
        runs=f"{sum(result.runs for result in results):,}",
        violations=f"{sum(len(result.violations) for result in results):,}",
    )
    grown = Held(*map(max, *(result.grown for result in results), NOTHING))
    longest_s = max((result.settled_s for result in results), default=0.0)
    measured = (
        f"Run on {machine['date']} at commit {machine['commit']} by `{machine['command']}` on "
        f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']:g} GiB, {machine['system']}, "
        f"Python {machine['python']}."
    )
    found = [f"- {result.fault}: {violation}" for result in results for violation in result.violations[:LISTED]]
    parts = [
        HEAD.format(settle_s=settle_s, longest_s=longest_s, threads=SPARE_THREADS, files=SPARE_FILES, grown=grown),
        "\n".join(["| fault | runs | violations |", "| --- | --: | --: |", *rows, total, ""]),
        measured + "\n",
        *(["## Violations\n", "\n".join([*found, ""])] if found else []),
    ]
    return "\n".join(parts)
