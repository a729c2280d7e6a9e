"""Text as people read it: one Unicode form, no hidden characters, plain whitespace. Pure."""

from __future__ import annotations

import re
import unicodedata

SUMMARY_CHARS = 160  # what fits a line under a title
# Invisible and yet not of a category that says so: grapheme joiner, Hangul fillers, Khmer inherent vowels,
# variation selectors, blank braille, and the plane of tags. They mean nothing and can carry a hidden message.
BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
# Persian and the scripts of India spell with a single joiner between two letters; elsewhere it hides.
JOINERS = "\u200c\u200d"
SPELT = "\u0600-\u08ff\u0900-\u0dff"
STRAY_JOINER = re.compile(f"(?<![{SPELT}])[{JOINERS}]|[{JOINERS}](?![{SPELT}])")
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co"})  # control, format (bidirectional, zero-width), surrogate, private
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？｡।؟])\s*|\n")
SHORT_CHARS = 12  # "Hi!" is no statement of its own
BREAKS = re.compile("\r\n|[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def clean(text: str) -> str:
    """`text` in NFC without hidden characters; runs of spaces are one space; empty lines are gone.

    Line breaks of every kind become `\\n`. Idempotent.
    """
    lines = (_line(line) for line in BREAKS.split(text))
    return "\n".join(line for line in lines if line)


def clean_line(text: str) -> str:
    """`clean`, on one line."""
    return clean(text).replace("\n", " ")


def summary(text: str, limit: int = SUMMARY_CHARS) -> str:
    """The first words of `text` on one line, at most `limit` characters; cut at a space where there is one."""
    line = clean_line(text)
    if len(line) <= limit:
        return line
    head = line[: limit - 1]
    at = head.rfind(" ")
    # Scripts without spaces, and words of half the limit, are cut where they stand.
    return (head[:at] if at > limit // 2 else head).rstrip() + "…"


def passages(text: str, limit: int, most: int) -> tuple[str, ...]:
    """Clean `text` in pieces of at most `limit` characters, cut after a sentence, else at a space, else anywhere.

    What lies behind the first `most` pieces is left out.
    """
    pieces: list[str] = []
    rest = text
    while rest and len(pieces) < most:
        at = len(rest) if len(rest) <= limit else _cut(rest[:limit])
        pieces.append(rest[:at].strip())
        rest = rest[at:].strip()
    return tuple(piece for piece in pieces if piece)


def sentences(text: str, limit: int, most: int) -> tuple[str, ...]:
    """Clean `text` sentence by sentence, in at most `most` pieces of at most `limit` characters.

    Very short sentences stay with the one before. Of a text with more sentences neighbours are kept together, as
    long as the limit allows; what lies behind is left out.
    """
    pieces: list[str] = []
    for sentence in SENTENCE_END.split(text):
        if pieces and (len(pieces[-1]) < SHORT_CHARS or 0 < len(sentence) < SHORT_CHARS):
            pieces[-1] = f"{pieces[-1]} {sentence}"
        elif sentence:
            pieces.append(sentence)
    while len(pieces) > most and sum(map(len, pieces)) + len(pieces) <= limit * most:
        at = min(range(len(pieces) - 1), key=lambda at: len(pieces[at]) + len(pieces[at + 1]))
        pieces[at : at + 2] = [f"{pieces[at]} {pieces[at + 1]}"]
    return tuple(part for piece in pieces for part in passages(piece, limit, most))[:most]


def _line(line: str) -> str:
    if line.isascii() and line.isprintable():
        return " ".join(line.split())
    shown = "".join(
        char if char in JOINERS or unicodedata.category(char) not in HIDDEN else " " if char.isspace() else ""
        for char in BLANK.sub("", line)
    )
    # Composed last: what was removed may have stood between a letter and its accent.
    return " ".join(unicodedata.normalize("NFC", STRAY_JOINER.sub("", shown)).split())


def _cut(head: str) -> int:
    """Where to cut `head`: behind its last sentence, if that leaves at least half of it."""
    ends = [match.end() for match in re.finditer(r"[.!?…]\s|[。！？｡।؟]|\n", head)]
    spaces = [head.rfind(" ") + 1]
    return next((at for at in (*ends[-1:], *spaces) if at > len(head) // 2), len(head))
