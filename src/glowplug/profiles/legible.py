"""A subject as a language model gets to see it: what people see, without orders or a character of markup. Pure.

Every character that is shown knows where in the original it stands, so that words of an answer become a span.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from glowplug.profiles.model import Subject
from glowplug.profiles.orders import unread
from glowplug.profiles.pieces import READ_CHARS
from glowplug.profiles.visible import Visible, fold, visible

# What chat templates, markup and JSON are written with, as letters that mean none of it: <|im_start|>, [INST],
# <start_of_turn>, {"claims": …}. As many characters as before.
HARMLESS = str.maketrans('<>|{}[]"\\`', "‹›¦()()”/’")
SPOKEN = re.compile(r"\w{2}|[\u3400-\u9fff]")  # as in pieces: two letters, or one ideograph
UNPARTED = r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]"  # scripts that put no spaces between words
# The smallest part that words can be quoted by: a word, or one character where words are not parted.
CHUNK = re.compile(rf"{UNPARTED}|(?:(?!{UNPARTED})\w)+|[^\w\s]|\s+")
LETTER = re.compile(rf"(?!{UNPARTED})\w")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a field in one go: nothing was left out within it. text: as shown; folded: for matching, as long.
    starts, ends: where each of its characters stands in the original."""

    field: str
    text: str
    folded: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def chunks(self) -> list[str]:
        return CHUNK.findall(self.text)


@dataclass(frozen=True, slots=True)
class Legible:
    """stretches: in the order of the fields."""

    stretches: tuple[Stretch, ...]

    @property
    def says_something(self) -> bool:
        return any(SPOKEN.search(one.text) for one in self.stretches)

    def shown(self) -> str:
        """One line for each field, named."""
        lines: dict[str, list[str]] = {}
        for one in self.stretches:
            lines.setdefault(one.field, []).append(one.text)
        return "\n".join(f"{_name(field)}: {' '.join(texts)}" for field, texts in lines.items())

    def find(self, words: str) -> tuple[str, int, int] | None:
        """Field and span of the first place where these words stand, case and accents aside, grown to whole words;
        None: nowhere."""
        wanted = " ".join(fold(visible(words).text.translate(HARMLESS)).split()).strip()
        if not SPOKEN.search(wanted):
            return None
        for one in self.stretches:
            at = one.folded.find(wanted)
            if at >= 0:
                start, end = _whole_words(one.folded, at, at + len(wanted))
                return one.field, one.starts[start], one.ends[end - 1]
        return None


def legible(subject: Subject) -> Legible:
    return Legible(tuple(one for name, text in subject.fields for one in _stretches(name, text)))


def _stretches(field: str, original: str) -> Iterator[Stretch]:
    text = visible(original[:READ_CHARS])
    start = 0
    for gap_start, gap_end in (*unread(text), (len(text.text), len(text.text))):
        if (one := _stretch(field, text, start, gap_start)) is not None:
            yield one
        start = gap_end


def _stretch(field: str, text: Visible, start: int, end: int) -> Stretch | None:
    """White space is one space."""
    kept: list[int] = []
    for at in range(start, end):
        if not text.text[at].isspace() or (kept and not text.text[kept[-1]].isspace()):
            kept.append(at)
    while kept and text.text[kept[-1]].isspace():
        kept.pop()
    shown = "".join(" " if text.text[at].isspace() else text.text[at] for at in kept).translate(HARMLESS)
    if not shown:
        return None
    folded = "".join(" " if text.text[at].isspace() else text.folded[at] for at in kept).translate(HARMLESS)
    return Stretch(field, shown, folded, tuple(text.starts[at] for at in kept), tuple(text.ends[at] for at in kept))


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """A quotation that begins or ends within a word of letters is grown to the whole word."""
    while start > 0 and LETTER.match(text, start - 1) and LETTER.match(text, start):
        start -= 1
    while end < len(text) and LETTER.match(text, end) and LETTER.match(text, end - 1):
        end += 1
    return start, end


def _name(field: str) -> str:
    """`interests.0` and `attributes.genre.1` as people would say it."""
    parts = [part for part in field.split(".") if not part.isdecimal()]
    return parts[-1].translate(HARMLESS)
