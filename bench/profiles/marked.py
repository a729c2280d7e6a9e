"""marked.tsv: texts with all that they name marked where it stands, by what their writer makes of it.

A line is author, language, kinds and text, parted by tabs; `\\n` is a line break. A mark is `{+ids|words}` for what
is wanted, `{-ids|words}` for what is to be avoided, `{0ids|words}` for what is merely mentioned; sentences that can
be said of anything have no ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bench.profiles.labelled import HERE, Labels
from glowplug.errors import BadInputFile, shown
from glowplug.profiles.cues import Stance

PATH = HERE / "marked.tsv"
MARK = re.compile(r"\{([+0-])([a-z0-9,-]*)\|([^{}|]+)\}")
STANCES: dict[str, Stance] = {"+": "wanted", "-": "avoided", "0": "neither"}
COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Mark:
    """[start, end) of the text. ids: of the vocabulary."""

    stance: Stance
    ids: tuple[str, ...]
    start: int
    end: int


def ids_of(marks: Iterable[Mark], stance: Stance) -> frozenset[str]:
    return frozenset(id_ for mark in marks if mark.stance == stance for id_ in mark.ids)


@dataclass(frozen=True, slots=True)
class MarkedText:
    author: str
    language: str
    kinds: tuple[str, ...]
    text: str
    marks: tuple[Mark, ...]


def load_marked(labels: Labels) -> tuple[MarkedText, ...]:
    """Raises BadInputFile with the first line that is wrong."""
    known = labels.vocabulary()
    found = []
    for number, line in enumerate(PATH.read_text("utf-8").splitlines(), 1):
        columns = line.split("\t")
        if len(columns) != COLUMNS:
            raise BadInputFile(
                f"{PATH.name}:{number}: {len(columns)} columns; author, language, kinds, text are wanted"
            )
        one = parsed(*columns)
        unknown = sorted({id_ for mark in one.marks for id_ in mark.ids} - known.keys())
        if unknown or set("{|}") & set(one.text) or ids_of(one.marks, "wanted") & ids_of(one.marks, "avoided"):
            raise BadInputFile(
                f"{PATH.name}:{number}: a broken mark, or an id that is not in the vocabulary or both "
                f"wanted and avoided: {shown(line)}"
            )
        found.append(one)
    return tuple(found)


def parsed(author: str, language: str, kinds: str, marked: str) -> MarkedText:
    text, at, marks = "", 0, []
    marked = marked.replace("\\n", "\n")
    for mark in MARK.finditer(marked):
        text += marked[at : mark.start()]
        ids = tuple(filter(None, mark[2].split(",")))
        marks.append(Mark(STANCES[mark[1]], ids, len(text), len(text) + len(mark[3])))
        text += mark[3]
        at = mark.end()
    return MarkedText(author, language, tuple(kinds.split(",")), text + marked[at:], tuple(marks))
