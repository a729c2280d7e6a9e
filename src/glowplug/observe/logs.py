"""Log lines on stderr, for people or as JSON: one line a record, without secrets or the text of events."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

from glowplug.observe.redact import redacted
from glowplug.settings import ObserveSettings

OURS = ("glowplug", "consumers", "producers", "__main__")
MESSAGE_CHARS = 1_000  # a message names things; what is longer carries a document, which does not belong in a log
# What every LogRecord has; what else is in one came through `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(settings: ObserveSettings, stream: TextIO | None = None) -> None:
    """Sends all log records to `stream` (stderr) in the way that the settings say. May be called again.

    Other libraries speak from warnings upwards only: at debug level some of them log what they are given.
    """
    target = logging.StreamHandler(stream or sys.stderr)
    target.setFormatter(JsonLines() if settings.log_json else Lines())
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler.formatter, Lines | JsonLines)]:
        root.removeHandler(old)
    root.addHandler(target)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(max(level, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(level)


@contextmanager
def quieted(logger: logging.Logger, level: int) -> Iterator[None]:
    """`logger` says nothing below `level` for a while: where what it says is said better in another way."""
    before = logger.level
    logger.setLevel(max(level, before))
    try:
        yield
    finally:
        logger.setLevel(before)


class Lines(logging.Formatter):
    """`12:00:00.123 warning glowplug.stream.loop: text`, and a traceback below it where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone()
        head = f"{moment:%H:%M:%S}.{int(record.msecs):03d} {record.levelname.lower()} {record.name}"
        line = f"{head}: {_message(record)}"
        trace = _traceback(self, record)
        return f"{line}\n{trace}" if trace else line


class JsonLines(logging.Formatter):
    """One JSON object a line: time (RFC 3339), level, logger, message, what came through `extra`, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **{name: redacted(str(value)) if not _is_plain(value) else value for name, value in extra.items()},
        }
        trace = _traceback(self, record)
        if trace:
            line["traceback"] = trace
        return json.dumps(line, ensure_ascii=False)


def _message(record: logging.LogRecord) -> str:
    """The message on one line (a forged line break must not look like a second record), shortened, redacted."""
    text = redacted(record.getMessage())
    line = "".join(char if char.isprintable() else "\\n" if char == "\n" else "�" for char in text)
    return line if len(line) <= MESSAGE_CHARS else f"{line[:MESSAGE_CHARS]}… ({len(line)} characters)"


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return redacted(formatter.formatException(record.exc_info)) if record.exc_info else ""


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)
