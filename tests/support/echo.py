"""The smallest step there is: each record of `users` comes out in `recommendations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from glowplug.stream.step import Batch, Context, Effects, Outgoing, Record, Tail, Until


class Echo:
    """poison: a value at which the step raises `error`."""

    name = "echo"
    inputs = ("users",)
    tables: Mapping[str, Tail] = {}
    restores: Mapping[str, Until] = {}

    def __init__(self, poison: bytes = b"", error: Exception | None = None) -> None:
        self._poison = poison
        self._error = error

    def open(self, context: Context) -> None: ...

    def restore(self, records: Sequence[Record]) -> None: ...

    def absorb(self, records: Sequence[Record]) -> None: ...

    def assigned(self, partitions: frozenset[int]) -> None: ...

    def revoked(self, partitions: frozenset[int]) -> None: ...

    def apply(self, changes: None) -> None: ...

    def due(self) -> float | None:
        return None

    def step(self, batch: Batch) -> Effects[None]:
        if self._error is not None and any(record.value == self._poison for record in batch.records):
            raise self._error
        return Effects(
            None,
            outgoing=tuple(
                Outgoing("recommendations", (record.key or b"").decode(), record.value) for record in batch.records
            ),
        )
