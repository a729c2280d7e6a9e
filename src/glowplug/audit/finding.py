"""One thing that does not agree with another, and a digest of many that should."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Check = Literal["log", "list", "vector", "redis"]
DIGEST_BYTES = 16  # against chance, not against an attacker; short enough to read out


@dataclass(frozen=True, slots=True)
class Finding:
    """key: the record's or the value's, with its topic or store.
    moving: why it can be so for the moment; empty where nothing excuses it."""

    check: Check
    key: str
    what: str
    expected: str
    found: str
    moving: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Digests of two things that should be one."""

    what: str
    log: str
    other: str

    @property
    def are_equal(self) -> bool:
        return self.log == self.other


def digest(rows: Iterable[Iterable[bytes]]) -> str:
    """BLAKE2b (RFC 7693) of the rows in their order, hexadecimal. Each field is preceded by its length, so that no
    two different sets of rows give the same bytes."""
    summed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for row in rows:
        fields = tuple(row)
        summed.update(len(fields).to_bytes(8, "big"))
        for field in fields:
            summed.update(len(field).to_bytes(8, "big"))
            summed.update(field)
    return summed.hexdigest()
