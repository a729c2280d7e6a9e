"""What a learned stance is judged by: of each thing that a text names, the words around it, and which cues stand
where. Pure.

The rules of stance.py know phrases, and decide by the first that fits. Here their verdict is one feature among
others: the cues before and behind the thing, in its clause and outside, and (in stance_model.py) the vectors of its
clause and its sentence with all that is named in them masked, so that what is learned is not who likes golf.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glowplug.profiles.cues import Span, pattern
from glowplug.profiles.lexicon import Mention
from glowplug.profiles.pieces import Piece, Read
from glowplug.profiles.stance import CLAUSE_END, LAYERS, SENTENCE_END, spans

MASK = "X"
BRIEF_WORDS, BRIEF_CHARS = 4, 20  # a sentence of no more is judged by the next ("Golf? I would rather …")
QUESTIONS = ("?", "？", "؟")
SPOKEN_OF = ("others", "past", "now", "work", "self", "turn", "another", "instead")
KINDS = (*LAYERS, *SPOKEN_OF)
ANSWERS = ("avoid_before", "avoid_after", "sour", "negated", "near", "like", "irony", "keep")
SETS_UP = ("irony", "avoid_after", "others", "past")
RULES = (
    "", "like", "keep", "turn", "avoid_after", "avoid_before", "near", "sour", "negated", "irony", "neutral",
)  # fmt: skip
MANY_CLAUSES = 4
MOST_JUDGED = 24  # things of one field; those behind them keep what the rules say

Hits = dict[str, list[Span]]


@dataclass(frozen=True, slots=True)
class Heard:
    """Mention `mention` of piece number `piece`. sentence, clause: what is encoded of it. cues: float32."""

    piece: int
    mention: Mention
    sentence: str
    clause: str
    cues: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Sentence:
    span: Span
    context: Span
    clauses: tuple[Span, ...]
    hits: Hits


def heard(read: Read, topics: frozenset[int]) -> tuple[Heard, ...]:
    """The first MOST_JUDGED mentions of `topics`, in the order of the pieces."""
    named = [
        (at, mention) for at, piece in enumerate(read.pieces) for mention in piece.mentions if mention.row in topics
    ]
    masks = _apart((mention.start, mention.end) for _, mention in named)
    folded, shown = read.legible, read.shown
    whole = list(spans(folded, 0, len(folded), SENTENCE_END))
    known: dict[int, _Sentence] = {}

    def sentence(number: int) -> _Sentence | None:
        if not 0 <= number < len(whole):
            return None
        if number not in known:
            known[number] = _Sentence(
                whole[number],
                _context(folded, whole, number),
                tuple(spans(folded, *whole[number], CLAUSE_END)),
                _hits(folded, whole[number]),
            )
        return known[number]

    out = []
    for at, mention in named[:MOST_JUDGED]:
        number = next((n for n, (start, end) in enumerate(whole) if start <= mention.start < end), None)
        if number is None or (here := sentence(number)) is None:
            continue
        clause = next(one for one in here.clauses if one[0] <= mention.start < one[1])
        cues = [
            *_around(here.hits, mention, clause),
            *_beside(folded, here, sentence(number - 1), sentence(number + 1)),
            clause == here.clauses[0],
            clause == here.clauses[-1],
            "!" in folded[here.span[0] : here.span[1]],
            len(here.clauses) > MANY_CLAUSES,
            number == 0,
            number == len(whole) - 1,
            *_by_rule(read.pieces[at]),
            mention.is_sure,
        ]
        out.append(
            Heard(
                at,
                mention,
                _masked(shown, here.context, masks),
                _masked(shown, clause, masks),
                np.array(cues, np.float32),
            )
        )
    return tuple(out)


def _around(hits: Hits, mention: Mention, clause: Span) -> Iterator[bool]:
    """For each kind of cue: before the thing in its clause, behind it in its clause, in a clause before, behind."""
    for kind in KINDS:
        own = hits[kind]
        yield any(clause[0] <= start < mention.start and end <= mention.end for start, end in own)
        yield any(mention.start <= start and end <= clause[1] for start, end in own)
        yield any(end <= clause[0] for _, end in own)
        yield any(start >= clause[1] for start, _ in own)


def _beside(folded: str, here: _Sentence, before: _Sentence | None, after: _Sentence | None) -> Iterator[bool]:
    """What a brief next sentence answers, what the one before sets up, and whether this one asks."""
    asks = folded[here.span[0] : here.span[1]].rstrip().endswith(QUESTIONS)
    counts = after is not None and (asks or len(folded[after.span[0] : after.span[1]].split()) <= BRIEF_WORDS)
    for kind in ANSWERS:
        yield after is not None and counts and bool(after.hits[kind])
    for kind in SETS_UP:
        yield before is not None and bool(before.hits[kind])
    yield asks


def _by_rule(piece: Piece) -> Iterator[bool]:
    for stance in ("wanted", "avoided", "neither"):
        yield piece.stance == stance
    for rule in RULES:
        yield piece.by == rule
    for rule in RULES:
        yield piece.by == rule and piece.stance == "avoided"


def _context(folded: str, whole: Sequence[Span], number: int) -> Span:
    start, end = whole[number]
    text = folded[start:end]
    is_brief = len(text.split()) <= BRIEF_WORDS and len(text) <= BRIEF_CHARS
    if number + 1 < len(whole) and (is_brief or text.rstrip().endswith(QUESTIONS)):
        end = whole[number + 1][1]
    return start, end


def _hits(folded: str, sentence: Span) -> Hits:
    start, end = sentence
    text = folded[start:end]
    return {
        kind: [
            (start + first, start + last)
            for match in pattern(kind).finditer(text)
            if match[0]
            for first, last in [match.span((match.lastindex or 0) if kind in LAYERS else 0)]
        ]
        for kind in KINDS
    }


def _apart(found: Iterator[Span]) -> tuple[Span, ...]:
    """Overlapping spans as one."""
    out: list[Span] = []
    for start, end in sorted(found):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return tuple(out)


def _masked(shown: str, within: Span, masks: Sequence[Span]) -> str:
    out, at = "", within[0]
    for start, end in masks:
        if at <= start < within[1]:
            out += shown[at:start] + MASK
            at = max(at, end)
    return (out + shown[at : within[1]]).strip()
