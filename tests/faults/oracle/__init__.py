"""The oracle: from everything that was committed while faults happened to the promises that were broken. Pure.

What should have come about is computed from the input topics by code of its own, on purpose not the consumers'.
`judge` is all that a scenario calls; its rules can be called one by one, as the tests of the oracle do.
"""

from __future__ import annotations

from tests.faults.oracle.history import History, Spot, Violation
from tests.faults.oracle.inputs import dead_letters, vectors
from tests.faults.oracle.lists import covers, lists
from tests.faults.oracle.memory import counts, memories
from tests.faults.oracle.order import audiences, offsets, versions
from tests.faults.oracle.passed import rekeyed
from tests.faults.oracle.profiles import profiles
from tests.faults.oracle.store import stored

__all__ = ["RULES", "History", "Spot", "Violation", "judge"]

RULES = (
    dead_letters, vectors, profiles, rekeyed, memories, counts, lists, covers, offsets, versions, audiences, stored,
)  # fmt: skip


def judge(history: History) -> list[Violation]:
    """Everything that is wrong once all is quiet, in the order of the rules."""
    return [violation for rule in RULES for violation in rule(history)]
