"""What a text could be said to want or to avoid: label by label, with all that speaks for it as numbers. Pure.

A candidate comes from a word of the taxonomy (named), from a stretch that the tagger marks and no word names
(tagged), or from a piece that names nothing (whole). judge.py says what each is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glowplug.inference.token_classes import TokenClasses
from glowplug.profiles.lexicon import Mention
from glowplug.profiles.pieces import SPOKEN, Piece, Read
from glowplug.profiles.tags import stretches
from glowplug.profiles.taxonomy import Taxonomy
from glowplug.profiles.weighing import MEDIA, are_side_by_side

Source = Literal["named", "tagged", "whole"]
SOURCES: tuple[Source, ...] = ("named", "tagged", "whole")
FEATURES = (
    "log nothing", "log wanted", "log avoided", "log neither", "wanted by rule", "avoided by rule", "a mere no",
    "likeness", "below the likest", "likeness of the piece", "below the likest of the piece", "says nothing",
    "is sure", "is second", "is broader", "has the same words", "is a medium", "log chars",
)  # fmt: skip
LABELS_EACH = 2  # of a stretch that no word names: the third is right one time in thirty
MOST_NAMED, MOST_TAGGED, MOST_WHOLE = 48, 24, 24  # of one field; a rambling text of a page has fewer
LEAST_SHARE = 1e-4  # below it a share is rounding


@dataclass(frozen=True, slots=True)
class Place:
    """[start, end) of the visible text, in piece number `piece`."""

    source: Source
    start: int
    end: int
    piece: int
    mention: Mention | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Label `row` at a place. features: float32, as FEATURES names them."""

    place: Place
    row: int
    features: NDArray[np.float32]


def places(read: Read, tags: TokenClasses, topics: frozenset[int]) -> list[Place]:
    named = [
        Place("named", mention.start, mention.end, at, mention)
        for at, piece in enumerate(read.pieces)
        for mention in piece.mentions
        if mention.row in topics
    ]
    tagged = [
        Place("tagged", start, end, at)
        for start, end in stretches(read.shown, tags)
        if not any(one.start < end and start < one.end for one in named)
        if (at := _piece_at(read.pieces, start, end)) is not None
    ]
    mute = set(range(len(read.pieces))) - {place.piece for place in named}
    whole = [
        Place("whole", piece.start, piece.end, at)
        for at, piece in enumerate(read.pieces)
        if at in mute and SPOKEN.search(read.text.folded, piece.start, piece.end)
    ]
    return [*named[:MOST_NAMED], *tagged[:MOST_TAGGED], *whole[:MOST_WHOLE]]


def _piece_at(pieces: Sequence[Piece], start: int, end: int) -> int | None:
    return next((at for at, piece in enumerate(pieces) if piece.start < end and start < piece.end), None)


def words_at(read: Read, place: Place) -> str:
    """What is compared with labels. Of a word that names its label that is the piece around it."""
    return read.text.text[place.start : place.end] if place.source == "tagged" else words_around(read, place)


def words_around(read: Read, place: Place) -> str:
    return read.words(read.pieces[place.piece])


def candidates(
    read: Read,
    tags: TokenClasses,
    found: Sequence[tuple[Place, NDArray[np.float32], NDArray[np.float32]]],
    taxonomy: Taxonomy,
) -> list[Candidate]:
    """found: of each place the likeness (labels,) of `words_at` and of `words_around`."""
    topics, nothing = np.array(sorted(taxonomy.topics)), list(taxonomy.nothing)
    mentions = [place.mention for place, _, _ in found if place.mention]
    out = []
    for place, alike, piece_alike in found:
        # Of other places the piece is what was compared: the same number twice would say nothing.
        around = piece_alike if place.source == "tagged" else np.zeros_like(alike)
        shares = tags.of(place.start, place.end)
        if shares is None:
            continue  # behind what the model reads
        logs = np.log(np.maximum(shares, LEAST_SHARE))
        piece = read.pieces[place.piece]
        best, around_best = alike[topics].max(), around[topics].max()
        silent = max(0.0, float(alike[nothing].max())) if nothing else 0.0
        for rank, row in enumerate(_rows(place, alike, topics)):
            features = [
                *logs,
                piece.stance == "wanted",
                piece.stance == "avoided",
                piece.by == "near",
                alike[row],
                best - alike[row],
                around[row],
                around_best - around[row],
                silent,
                place.mention is not None and place.mention.is_sure,
                rank > 0,
                *_beside(read, place, row, mentions, taxonomy),
                math.log(1 + place.end - place.start),
            ]
            out.append(Candidate(place, row, np.array(features, np.float32)))
    return out


def _rows(place: Place, alike: NDArray[np.float32], topics: NDArray[np.int64]) -> list[int]:
    if place.mention:
        return [place.mention.row]
    ranked = topics[np.argsort(-alike[topics], kind="stable")]
    return [int(row) for row in ranked[:LABELS_EACH]]


def _beside(
    read: Read, place: Place, row: int, mentions: Sequence[Mention], taxonomy: Taxonomy
) -> tuple[bool, bool, bool]:
    """Whether the text names a narrower label, another by the same words, and whether this is what it comes in."""
    own = place.mention
    others = [mention for mention in mentions if mention is not own]
    is_broader = any(row in taxonomy.above[other.row] for other in others)
    if own is None:
        return is_broader, False, False
    has_same_words = any((other.start, other.end) == (own.start, own.end) for other in others)
    is_medium = taxonomy.labels[row].id in MEDIA and any(are_side_by_side(read, own, other) for other in others)
    return is_broader, has_same_words, is_medium
