"""The page tells what was done and what was found, and its command can be typed."""

from __future__ import annotations

from tests.faults.bed import Result
from tests.faults.oracle import Violation
from tests.faults.report import page
from tests.support.docs import fault_of, written_in

MACHINE = {
    "date": "2026-11-24", "commit": "abc1234", "command": "python -m tests.faults", "cores": 2, "cpu": "one",
    "memory_gib": 23.5, "system": "Linux", "python": "3.11.7",
}  # fmt: skip
RESULTS = [
    Result("killed", 10, (), 2.5),
    Result("frozen", 1, (Violation("memory", "user_states u", "missing"),), 9.5),
    Result("killed", 7, (), 1.0),
]


def test_results_of_one_fault_are_one_line_and_violations_are_named() -> None:
    lines = page(RESULTS, MACHINE, 60.0).splitlines()
    assert [line for line in lines if line.startswith(("| killed", "| frozen"))] == [
        "| killed | 17 | 0 |",
        "| frozen | 1 | 1 |",
    ]
    assert "| all | 18 | 1 |" in lines
    assert "- frozen: memory: user_states u: missing" in lines
    assert any("the longest took 9.5 s" in line for line in lines)
    assert any("commit abc1234" in line and "2 cores" in line for line in lines)


def test_without_violations_none_are_listed() -> None:
    assert "Violations" not in page(RESULTS[:1], MACHINE, 60.0)


def test_the_pages_command_can_be_typed() -> None:
    written = list(written_in("reliability.md", page(RESULTS, MACHINE, 60.0)))
    assert written
    assert [fault_of(command) for command in written if fault_of(command)] == []
