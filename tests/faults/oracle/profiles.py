"""Every text that was written is read in the end, once, and nothing is claimed but in the user's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from glowplug.stream.step import Record
from tests.faults.oracle.history import History, Violation, is_delete, said
from tests.faults.oracle.inputs import source_offset


def profiles(history: History) -> Iterator[Violation]:
    """Nothing to judge where no profile writer ran."""
    outputs = history.by_key("user_profiles")
    if not outputs:
        return
    inputs = history.valid("users")
    for name in sorted(outputs.keys() - inputs.keys()):
        yield Violation("profiles", f"user_profiles {name}", "there, without a valid input")
    for name, records in inputs.items():
        yield from _of_one(f"user_profiles {name}", records, outputs.get(name, []))


def _of_one(key: str, inputs: list[Record], outputs: list[Record]) -> Iterator[Violation]:
    by_offset = {record.offset: record for record in inputs}
    sources = [source_offset(record) for record in outputs]
    for offset in sorted({offset for offset in sources if offset not in by_offset}):
        yield Violation("profiles", key, f"of offset {offset}, which is no valid input of it")
    for earlier, later in pairwise(sources):
        if later < earlier:
            yield Violation("versions", key, f"offset {later} after {earlier}")
    states = Counter((offset, _state(record)) for offset, record in zip(sources, outputs, strict=True))
    for (offset, state), times in states.items():
        if times > 1:
            yield Violation("nothing twice", key, f"{state} {times} times for the input at offset {offset}")
    last = inputs[-1]
    if not outputs or sources[-1] != last.offset:
        found = f"of offset {sources[-1]}" if outputs else "missing"
        yield Violation("profiles", key, f"{found}, its last valid input is at {last.offset}")
    elif _state(outputs[-1]) != ("gone" if is_delete(last) else "ready"):
        yield Violation("profiles", key, f"{_state(outputs[-1])} in the end")
    for record in outputs:
        if _state(record) == "ready" and (offset := source_offset(record)) in by_offset:
            event, profile = said(by_offset[offset]), said(record)
            for claim in (*profile["interests"], *profile["preferences"], *profile["avoid"]):
                if not _rests_on(claim["evidence"], event):
                    yield Violation("profiles", key, f"{claim['label']} rests on {claim['evidence']['text']!r}")


def _state(record: Record) -> str:
    value = said(record)
    return "gone" if value is None else str(value["state"])


def _rests_on(evidence: dict[str, Any], event: dict[str, Any]) -> bool:
    field, _, number = evidence["field"].partition(".")
    words: str = event[field][int(number)] if number else event.get(field) or ""
    text: str = evidence["text"]
    return words[evidence["start"] : evidence["end"]] == text != ""
