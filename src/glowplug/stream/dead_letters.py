"""Invalid records: what is written about them, and how many are too many."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from glowplug import __version__
from glowplug.errors import TooLarge, TooManyDeadLetters, shown
from glowplug.stream.origin import original
from glowplug.stream.step import DeadLetter, Outgoing
from glowplug.stream.transaction import Message

TOPIC = "dead_letters"
MESSAGE_BYTES = 400  # all our headers stay under 1 kB: a topic that takes the original takes the letter
RECORD_OVERHEAD = 100  # of one record and its batch in Kafka's format: varints, attributes, timestamps, checksums
FEWEST = 50  # before so many records a share says nothing


def letter(dead: DeadLetter, *, consumer: str, source: str, topic: str, omit_over: int | None = None) -> Message:
    """The dead letter: original key (null stays null), value and headers, and ours behind them.

    consumer:  the step that found it. source: the cluster's name of the topic it was read from, or, where it was
               passed on to that one, first written to. topic: where it goes.
    omit_over: bytes of key and value from which the broker refuses it: the value is left out, its length told.
    """
    record = dead.record
    if (before := original(record)) is not None:
        record, source = before
    told = str(dead.error).encode()[:MESSAGE_BYTES].decode(errors="ignore")
    ours = {
        "cause": dead.error.cause,
        "message": told,
        "topic": source,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp_ms),
        "consumer": consumer,
        "version": __version__,
    }
    value = record.value
    if omit_over is not None and value is not None and len(record.key or b"") + len(value) >= omit_over:
        ours["omitted-bytes"] = str(len(value))
        value = None
    headers = (*record.headers, *((f"glowplug-{name}", text.encode()) for name, text in ours.items()))
    return Message(topic=topic, key=record.key, value=value, headers=headers)


def size_of(outgoing: Outgoing) -> int:
    """Bytes of the record on the wire, a little more rather than less."""
    headers = sum(len(name.encode()) + len(value) + 4 for name, value in outgoing.headers)
    return len(outgoing.key.encode()) + len(outgoing.value or b"") + headers + RECORD_OVERHEAD


def oversized(outgoing: Outgoing, limit: int) -> TooLarge | None:
    """The error that an output above `limit` bytes is (`stream.max_record_bytes`), else None."""
    size = size_of(outgoing)
    if size <= limit:
        return None
    return TooLarge(
        f"the record for {outgoing.topic}, key {shown(outgoing.key)}, would have {size} bytes; "
        f"the limit is {limit} (stream.max_record_bytes): shorten the input"
    )


class RatioGuard:
    """Stops a consumer that finds too large a share of the last `window` records invalid: the fault is then not
    in the records but in what was agreed about them."""

    def __init__(self, window: int, ratio: float, consumer: str) -> None:
        self._window: deque[str | None] = deque(maxlen=window)
        self._fewest = min(FEWEST, window // 10)
        self._ratio = ratio
        self._consumer = consumer
        self._invalid: Counter[str] = Counter()

    def count(self, records: int, causes: Iterable[str]) -> None:
        """Of `records` more, some are invalid. Raises TooManyDeadLetters."""
        invalid = list(causes)
        for cause in [*invalid, *[None] * (records - len(invalid))]:
            if len(self._window) == self._window.maxlen and (oldest := self._window[0]) is not None:
                self._invalid[oldest] -= 1
            self._window.append(cause)
            if cause is not None:
                self._invalid[cause] += 1
        total = self._invalid.total()
        seen = len(self._window)
        if seen >= self._fewest and total > self._ratio * seen:
            cause, count = self._invalid.most_common(1)[0]
            raise TooManyDeadLetters(
                f"{self._consumer}: {total} of the last {seen} records are invalid, more than "
                f"stream.dead_letter_ratio ({self._ratio:g}) allows; {count} of them for {cause}: "
                f"read the headers of the dead-letters topic, mend what writes the input, and start again"
            )
