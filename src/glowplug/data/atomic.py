"""RecBole's atomic files: tab-separated columns under a typed header, read row by row.

The format: https://recbole.io/docs/user_guide/data/atomic_files.html. A column's header is `name:type`; types are
token (a name), float, token_seq and float_seq (entries separated by spaces, in some sets by commas).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from glowplug.errors import BadInputFile, shown

ColumnType = Literal["token", "float", "token_seq", "float_seq"]
Value: TypeAlias = str | float | tuple[str, ...] | tuple[float, ...]
Row = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class AtomicFile:
    """comma_separated: the sequence columns in which some row has a comma; the others' entries end at spaces."""

    path: Path
    columns: tuple[Column, ...]
    comma_separated: frozenset[str]

    def rows(self, *, whole: frozenset[str] = frozenset()) -> Iterator[tuple[int, Row]]:
        """(line number from 2, the row's fields that are not empty).

        whole: sequence columns that are running text, kept as one text. Raises BadInputFile.
        """
        for number, fields in _lines(self.path, len(self.columns)):
            row: Row = {}
            for column, field in zip(self.columns, fields, strict=True):
                if not field.strip():
                    continue
                if column.name in whole or column.type == "token":
                    row[column.name] = field.strip()
                else:
                    row[column.name] = self._value(column, field, number)
            yield number, row

    def _value(self, column: Column, field: str, number: int) -> Value:
        if column.type == "float":
            return self._number(column, field, number)
        parts = field.split("," if column.name in self.comma_separated else None)
        entries = tuple(part.strip() for part in parts if part.strip())
        if column.type == "float_seq":
            return tuple(self._number(column, entry, number) for entry in entries)
        return entries

    def _number(self, column: Column, field: str, number: int) -> float:
        value = as_number(field)
        if value is None:
            raise BadInputFile(
                f"{self.path.name} line {number}: {column.name} is declared as {column.type} and holds "
                f"{shown(field)}: write a finite number, leave it empty, or declare the column as token"
            )
        return value


def open_atomic(path: Path) -> AtomicFile:
    """Reads the header, and the rows once for how sequences are separated. Raises BadInputFile."""
    columns = _header(path)
    sequences = [(at, column.name) for at, column in enumerate(columns) if column.type.endswith("_seq")]
    commas: set[str] = set()
    for _, fields in _lines(path, len(columns)):
        commas.update(name for at, name in sequences if "," in fields[at])
    return AtomicFile(path, columns, frozenset(commas))


def as_number(field: str) -> float | None:
    """The finite number that `field` spells, or None."""
    try:
        value = float(field)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _header(path: Path) -> tuple[Column, ...]:
    for number, line in _text(path):
        if number > 1:
            break
        columns = tuple(_column(path, field) for field in line.split("\t"))
        names = [column.name for column in columns]
        if len(set(names)) < len(names):
            raise BadInputFile(f"{path.name}: a column name stands twice in the header {shown(line)}: rename one")
        return columns
    raise BadInputFile(f"{path.name} is empty: its first line must name the columns, as in item_id:token")


def _column(path: Path, field: str) -> Column:
    name, _, kind = field.strip().rpartition(":")
    if not name or kind not in get_args(ColumnType):
        raise BadInputFile(
            f"{path.name}: the header's {shown(field)} is no name:type; types are {', '.join(get_args(ColumnType))}"
        )
    return Column(name, cast(ColumnType, kind))


def _lines(path: Path, width: int) -> Iterator[tuple[int, list[str]]]:
    for number, line in _text(path):
        if number == 1 or not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) != width:
            raise BadInputFile(
                f"{path.name} line {number} has {len(fields)} fields and the header {width}: "
                f"separate them with tabs ({shown(line)})"
            )
        yield number, fields


def _text(path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as stream:
            for number, line in enumerate(stream, start=1):
                yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadInputFile(f"{path.name} after line {number} is not UTF-8 ({error.reason}): convert it") from error
    except OSError as error:
        raise BadInputFile(f"{shown(str(path))}: {error.strerror}: name a folder with atomic files") from error
