"""JSON Lines in, valid events out: each line with its number, or with what is wrong with it and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from pydantic import BaseModel, ValidationError

from glowplug.errors import BadInputFile, shown
from glowplug.events import INPUTS, Event, event_type

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors put it before the first line
MODELS: dict[str, type[Event]] = {event_type(model): model for model in INPUTS}
FIXES: dict[str, str] = {  # by pydantic's error type: what the author of the line can do
    "missing": "add it",
    "timezone_aware": "end it with an offset, as in 2026-01-31T12:00:00Z",
    "finite_number": "leave the field out where there is no number",
    "string_type": "put it in quotes",
    "string_too_short": "give it at least one character",
    "string_too_long": "shorten it",
    "string_pattern_mismatch": "take out line breaks and control characters",
    "float_type": "write it as a number, without quotes",
    "int_type": "write it as a whole number, without quotes",
    "bool_type": "write true or false, without quotes",
    "tuple_type": "write it as a list in square brackets",
    "dict_type": "write it as an object in curly brackets",
    "too_long": "shorten the list",
}
OTHER_TYPES = ("float_type", "string_type", "tuple_type")  # a union's branches that the value does not belong to
DATETIME_FIX = "write it as in 2026-01-31T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Line:
    """One valid event as it was written. `topic` is logical; `size` counts the line's bytes in its file."""

    number: int
    topic: str
    key: str
    value: bytes
    size: int


@dataclass(frozen=True, slots=True)
class BadLine:
    """`problem` names the field, its value and the fix."""

    number: int
    problem: str
    size: int

    def __str__(self) -> str:
        return f"line {self.number}: {self.problem}"


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """The file, or stdin for `-`. Raises BadInputFile."""
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115  closed below, where its own errors are not taken for these
    except OSError as error:
        raise BadInputFile(f"{shown(name)}: {error.strerror}: name a readable file, or - for stdin") from error
    with stream:
        yield stream


def lines_of(stream: BinaryIO, max_bytes: int) -> Iterator[bytes]:
    """The stream's lines; of one that is too long only its first max_bytes + 1 bytes are kept in memory."""
    while line := stream.readline(max_bytes + 1):
        yield line
        while len(line) > max_bytes and not line.endswith(b"\n"):
            line = stream.readline(max_bytes + 1)
            if not line:
                return


def parse(lines: Iterable[bytes], max_bytes: int) -> Iterator[Line | BadLine]:
    """Each line that is not blank, in order; numbers count from 1 and blank lines count too."""
    for number, raw in enumerate(lines, start=1):
        line = (raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw).strip()
        if line:
            yield _parse_one(number, line, len(raw), max_bytes)


def _parse_one(number: int, line: bytes, size: int, max_bytes: int) -> Line | BadLine:
    if len(line) > max_bytes:
        return BadLine(number, f"over {max_bytes:,} bytes (stream.max_record_bytes): shorten its texts", size)
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return BadLine(number, _json_problem(line, error), size)
    if not isinstance(content, dict):
        return BadLine(number, f"{shown(content)} is no JSON object: put its fields in curly brackets", size)
    kind = content.get("type")
    model = MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        what = "is missing" if kind is None else f"{shown(kind)} is no input event"
        return BadLine(number, f"type {what}: write one of {', '.join(MODELS)}", size)
    try:
        event = model.model_validate_json(line)
    except ValidationError as error:
        return BadLine(number, _schema_problem(error), size)
    topic, key = topic_and_key(event)
    return Line(number, topic, key, line, size)


def topic_and_key(event: BaseModel) -> tuple[str, str]:
    """Logical topic and record key of an input event, as topics.toml declares them."""
    kind = str(getattr(event, "type", ""))
    if kind.startswith("item."):
        return "items", str(getattr(event, "item_id", ""))
    topic = "users" if kind.startswith("user.") else "interactions"
    return topic, str(getattr(event, "user_id", ""))


def _json_problem(line: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as broken:
        return f"byte {broken.start + 1} ({line[broken.start]:#04x}) is not UTF-8: save the file as UTF-8"
    fix = ""
    if any(word in text for word in ("NaN", "Infinity")):
        fix = ": JSON has no NaN or Infinity, leave such a field out"
    elif error.pos >= len(text):
        fix = ": the line ends before its object does, write one whole event on each line"
    near = shown(text[max(0, error.pos - 10) : error.pos + 30])
    return f"not JSON at column {error.pos + 1} near {near} ({error.msg}){fix}"


def _schema_problem(error: ValidationError) -> str:
    """All that is wrong with the line, one sentence a field."""
    problems: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_context=False):
        field = ".".join(_place(detail["loc"])) or "event"
        is_other_type = field.startswith("attributes.") and detail["type"] in OTHER_TYPES
        sentence = (
            f"{field} {_value(detail['input'])}: is neither a finite number nor a text nor a list of texts"
            if is_other_type
            else _sentence(field, detail["type"], detail["msg"], detail["input"])
        )
        if field not in problems or (problems[field].endswith("a list of texts") and not is_other_type):
            problems[field] = sentence  # what is wrong with a text is no help: it is not a number either
    return "; ".join(problems.values())


def _place(location: tuple[int | str, ...]) -> list[str]:
    """The path to the field, without the names of union branches that pydantic appends."""
    if location[:1] == ("attributes",):
        return [str(step) for step in location[:2]]
    return [str(step) for step in location]


def _sentence(field: str, kind: str, message: str, value: Any) -> str:
    if kind == "missing":
        return f"{field} is missing: add it"
    fix = FIXES.get(kind) or (DATETIME_FIX if kind.startswith("datetime") else "")
    reason = message.removeprefix("Value error, ")
    return f"{field} {_value(value)}: {reason}" + (f" ({fix})" if fix else "")


def _value(value: Any) -> str:
    return shown(value) or "''"
