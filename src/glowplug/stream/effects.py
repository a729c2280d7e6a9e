"""A step's effects as the messages of one transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from glowplug.errors import Fatal
from glowplug.stream import dead_letters
from glowplug.stream.positions import Place, place_of
from glowplug.stream.reader import Names
from glowplug.stream.step import DeadLetter, Effects, Outgoing
from glowplug.stream.transaction import Message


@dataclass(frozen=True, slots=True)
class Prepared:
    """messages: dead letters last. outputs: their number by logical topic. causes: of the dead letters."""

    messages: tuple[Message, ...]
    outputs: Counter[str]
    causes: tuple[str, ...]


def prepare(effects: Effects[Any], *, consumer: str, names: Names, limit: int, omit_over: int | None) -> Prepared:
    """An output above `limit` bytes (stream.max_record_bytes) makes its cause a dead letter; one letter an input.

    Raises Fatal where such an output names no cause: leaving it out in silence would break the promise.
    """
    letters: dict[tuple[Place, int], DeadLetter] = {}
    for dead in effects.dead_letters:
        letters.setdefault((place_of(dead.record), dead.record.offset), dead)
    messages = []
    outputs: Counter[str] = Counter()
    for outgoing in effects.outgoing:
        error = dead_letters.oversized(outgoing, limit)
        if error is None:
            messages.append(_message(outgoing, names))
            outputs[outgoing.topic] += 1
        elif outgoing.cause is None:
            raise Fatal(f"{consumer}: {error}")
        else:
            record = outgoing.cause
            letters.setdefault((place_of(record), record.offset), DeadLetter(record, error))
    topic = names.cluster(dead_letters.TOPIC)
    for dead in letters.values():
        source = names.cluster(dead.record.topic)
        messages.append(
            dead_letters.letter(dead, consumer=consumer, source=source, topic=topic, omit_over=omit_over)
        )
    return Prepared(tuple(messages), outputs, tuple(dead.error.cause for dead in letters.values()))


def _message(outgoing: Outgoing, names: Names) -> Message:
    return Message(
        topic=names.cluster(outgoing.topic),
        key=outgoing.key.encode(),
        value=outgoing.value,
        headers=outgoing.headers,
        partition=-1 if outgoing.partition is None else outgoing.partition,
        timestamp_ms=outgoing.timestamp_ms or 0,
    )
