"""From pieces, the words they name and their likeness to labels, to claims with weights. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glowplug.profiles.lexicon import Mention
from glowplug.profiles.pieces import Piece, Read
from glowplug.profiles.taxonomy import LabelKind, Taxonomy

NAMED = 0.75  # of a label that is named outright; likeness and a verb of liking add the rest up to 1
HINTED = 0.4  # of a label that is hinted at,
BEARS_OUT = 0.35  # by a clause that is so like the label: unrelated texts have -.03 ± .07 (decision 0006)
DISLIKE_BEARS_OUT = 0.45  # a wrong dislike takes things away that fit: it needs more
SAID_TO_LIKE = 0.1
ALIKE_ADDS = 0.15
AGAIN = 0.03  # for each further mention, up to three: what somebody comes back to matters more
SIDE_BY_SIDE = 4  # characters between two words of one name: "films de super-héros", "locomotives à vapeur"
APART = re.compile(r"[和与跟及、,/&]|\b(?:and|y|e|et|und|и)\b")
# What other things come in: side by side with one of them it is the lesser half of the name.
MEDIA = frozenset(
    ("music", "cinema", "tv-series", "reading", "podcasts", "audiobooks", "documentaries", "video-games", "sports")
)
UNLIKELY = 0.1  # cosine of a clause to a label that it names: below, the word is probably meant otherwise
MEANT_OTHERWISE = 0.25  # taken off then
# A likeness alone. With a quarter of the taxonomy's words taken away, as a text of other words would find it, .52
# gives R-precision .824 and claims of which .76 are right, .48 gives .840 and .71, .44 gives .843 and .66
# (decision 0011).
ALIKE = 0.48
CERTAIN = 0.75  # cosine of near synonyms
DISLIKED_ALIKE = 0.6  # more: a wrong dislike takes things away that fit
CLEARER = 0.05  # by so much it has to beat what says nothing
LEAST_ALIKE, MOST_ALIKE = 0.2, 0.6  # weights of claims by likeness alone, at ALIKE and at CERTAIN
LETTERS = 8  # the shortest piece that is judged by likeness alone, an ideograph counting for three letters
IDEOGRAPH = 3


@dataclass(frozen=True, slots=True)
class Weighed:
    """Label `row`, wanted or not, by the words [start, end) of the visible text of field number `at`."""

    row: int
    is_wanted: bool
    weight: float
    at: int
    start: int
    end: int


def weigh(
    reads: Sequence[Read],
    likeness: Sequence[NDArray[np.float32]],
    taxonomy: Taxonomy,
    kinds: frozenset[LabelKind],
    but: frozenset[int] = frozenset(),
) -> list[Weighed]:
    """The strongest evidence of each label of `kinds`, the strongest labels first, ties in the order of the text.

    likeness: for each field float32 (pieces, labels); a row of zeros where a piece has no vector. but: numbers of
    fields that are judged elsewhere. A label is wanted or not, never both. Of a label and a broader one that the
    same clause names, the narrower is meant.
    """
    rows = taxonomy.rows_of(kinds)
    found: list[Weighed] = []
    if not rows:
        return found
    for at, (read, alike) in enumerate(zip(reads, likeness, strict=True)):
        for piece, row in zip(read.pieces, alike, strict=True):
            if at not in but and piece.stance != "neither":
                found += _named(at, read, piece, row, rows, taxonomy)
                found += _alike(at, read, piece, row, rows, taxonomy.nothing)
    return strongest(found)


def _named(
    at: int, read: Read, piece: Piece, alike: NDArray[np.float32], rows: frozenset[int], taxonomy: Taxonomy
) -> Iterable[Weighed]:
    named = [mention for mention in piece.mentions if mention.row in rows]
    for row in dict.fromkeys(mention.row for mention in named):
        is_meant = _is_meant_alone if piece.stance == "wanted" else _is_meant_to_be_avoided
        own = [mention for mention in named if mention.row == row and is_meant(read, mention, named, taxonomy)]
        if not own:
            continue
        cosine = float(alike[row])
        is_sure = any(mention.is_sure for mention in own)
        least = BEARS_OUT if piece.stance == "wanted" else DISLIKE_BEARS_OUT
        if not is_sure and cosine < least:
            continue
        weight = (NAMED if is_sure else HINTED) + ALIKE_ADDS * min(1.0, max(0.0, cosine) / CERTAIN)
        weight += SAID_TO_LIKE if piece.by in ("like", "keep") else 0.0
        weight -= MEANT_OTHERWISE if alike.any() and cosine < UNLIKELY else 0.0
        start, end = own[0].start, own[0].end
        yield Weighed(row, piece.stance == "wanted", weight, at, start, end)


def _is_meant_alone(read: Read, mention: Mention, named: Sequence[Mention], taxonomy: Taxonomy) -> bool:
    """And not with a narrower one: "films de super-héros" is one thing, named by two words side by side."""
    return not any(
        other.is_sure and mention.row in taxonomy.above[other.row] and are_side_by_side(read, mention, other)
        for other in named
    )


def _is_meant_to_be_avoided(read: Read, mention: Mention, named: Sequence[Mention], taxonomy: Taxonomy) -> bool:
    """Who refuses superhero films refuses neither films nor, with "murder podcasts", podcasts."""
    is_medium = taxonomy.labels[mention.row].id in MEDIA
    return not any(
        other.is_sure
        and other.row != mention.row
        and (mention.row in taxonomy.above[other.row] or (is_medium and are_side_by_side(read, mention, other)))
        for other in named
    )


def are_side_by_side(read: Read, one: Mention, other: Mention) -> bool:
    gap = max(one.start - other.end, other.start - one.end)
    between = read.text.folded[min(one.end, other.end) : max(one.start, other.start)]
    return gap <= SIDE_BY_SIDE and not APART.search(between)


def _alike(
    at: int, read: Read, piece: Piece, alike: NDArray[np.float32], rows: frozenset[int], nothing: Sequence[int]
) -> Iterable[Weighed]:
    """The one label that a piece without a mention is most like, if it is like it enough."""
    if any(mention.row in rows for mention in piece.mentions) or _letters(read, piece) < LETTERS:
        return
    if piece.by == "near":  # "no hurry", "without a car": what a mere "no" is about has to be named
        return
    ours = sorted(rows)
    best = ours[int(np.argmax(alike[ours]))]
    cosine = float(alike[best])
    if cosine < (ALIKE if piece.stance == "wanted" else DISLIKED_ALIKE) or any(
        cosine < float(alike[row]) + CLEARER for row in nothing
    ):
        return
    share = min(1.0, (cosine - ALIKE) / (CERTAIN - ALIKE))
    weight = LEAST_ALIKE + (MOST_ALIKE - LEAST_ALIKE) * share
    yield Weighed(best, piece.stance == "wanted", weight, at, piece.start, piece.end)


def _letters(read: Read, piece: Piece) -> int:
    words = read.text.folded[piece.start : piece.end]
    return sum(IDEOGRAPH if "\u3040" <= char <= "\u9fff" else 1 for char in words if char.isalnum())


def strongest(found: Sequence[Weighed]) -> list[Weighed]:
    """Of each label one claim, the strongest labels first."""
    best: dict[int, Weighed] = {}
    times: dict[tuple[int, bool], int] = {}
    for one in found:
        times[one.row, one.is_wanted] = times.get((one.row, one.is_wanted), 0) + 1
        known = best.get(one.row)
        # Of two that are equally strong a dislike wins: it was said expressly.
        if known is None or (one.weight, not one.is_wanted) > (known.weight, not known.is_wanted):
            best[one.row] = one
    strengthened = [
        replace(one, weight=round(min(1.0, one.weight + AGAIN * min(3, times[one.row, one.is_wanted] - 1)), 3))
        for one in best.values()
    ]
    return sorted(strengthened, key=lambda one: (-one.weight, one.at, one.start, one.row))
