"""A user's words with those marked that a profile rests on. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from rich.text import Text

from glowplug.events import Claim, UserProfile
from glowplug.text.clean import HIDDEN, JOINERS

HIDDEN_AS = "�"  # one character for one: what comes behind keeps its place
ALLOWED = frozenset("\n" + JOINERS)


@dataclass(frozen=True, slots=True)
class Pen:
    """How words of one kind are marked: by a style where the terminal has any, else by what stands around them."""

    name: str
    style: str
    before: str
    after: str

    def around(self, words: str) -> Span:
        """All of them."""
        return Span(0, len(words), self)


WANTED = Pen("wants", "bold underline green", "[", "]")
AVOIDED = Pen("avoids", "bold strike red", "[-", "-]")
PREFERRED = Pen("prefers", "underline cyan", "[~", "~]")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters from `start` to before `end`."""

    start: int
    end: int
    pen: Pen


def harmless(text: str) -> str:
    """`text` without what could move a cursor or turn a line around; every character keeps its place."""
    return "".join(
        HIDDEN_AS if unicodedata.category(char) in HIDDEN and char not in ALLOWED else char for char in text
    )


def spans(profile: UserProfile, field: str) -> list[Span]:
    """Of the claims that rest on words of `field`, in the order of the text. Where two overlap, the dislike stands,
    and then the stronger claim."""
    kinds = ((profile.avoid, AVOIDED), (profile.interests, WANTED), (profile.preferences, PREFERRED))
    found: list[Span] = []
    for claim, pen in chain.from_iterable(((claim, pen) for claim in claims) for claims, pen in kinds):
        start, end = claim.evidence.start, claim.evidence.end
        if claim.evidence.field == field and all(end <= one.start or one.end <= start for one in found):
            found.append(Span(start, end, pen))
    return sorted(found, key=lambda span: span.start)


def marked(text: str, found: Sequence[Span], *, is_plain: bool, style: str = "") -> Text:
    """found: in the order of the text, none of them in another. is_plain: by brackets, for what shows no styles."""
    out = Text(style=style)
    for piece, pen in _pieces(text, found):
        if pen is None:
            out.append(harmless(piece))
        elif is_plain:
            out.append(f"{pen.before}{harmless(piece)}{pen.after}")
        else:
            out.append(harmless(piece), pen.style)
    return out


def _pieces(text: str, found: Sequence[Span]) -> Iterator[tuple[str, Pen | None]]:
    at = 0
    for span in found:
        yield text[at : span.start], None
        yield text[span.start : span.end], span.pen
        at = span.end
    yield text[at:], None


def claim_lines(profile: UserProfile, *, is_plain: bool) -> list[Text]:
    """One line for each kind: what was read, and from which words."""
    kinds = ((profile.interests, WANTED), (profile.avoid, AVOIDED), (profile.preferences, PREFERRED))
    return [_line(pen, claims, is_plain) for claims, pen in kinds if claims]


def _line(pen: Pen, claims: Sequence[Claim], is_plain: bool) -> Text:
    line = Text(f"{pen.name:<8}", style="bold")
    for number, claim in enumerate(claims):
        words = claim.evidence.text
        line.append("; " if number else "", "not bold")
        line.append(harmless(claim.label.replace("-", " ").replace(":", ": ")), "not bold")
        line.append(" ← ", "not bold dim")
        line.append_text(marked(words, [pen.around(words)], is_plain=is_plain, style="not bold"))
    return line
