"""What a text names, and what its writer makes of it, as a classifier of tokens sees it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from glowplug.inference.token_classes import TokenClasses
from glowplug.profiles.cues import Span
from glowplug.profiles.pieces import SHORTEST, trimmed
from glowplug.profiles.stance import SENTENCE_END, spans

CLASSES = ("nothing", "wanted", "avoided", "neither")  # neither: named, and no wish of the writer's
NAMES_NOTHING = 0.5  # a token of more names nothing
WINDOW_CHARS = 300  # as the longest piece: nine texts of ten are one window, and no pass is longer than it was


def windows(text: str) -> list[Span]:
    """Whole sentences, as many together as WINDOW_CHARS hold; a longer sentence is cut."""
    out: list[Span] = []
    for start, end in spans(text, 0, len(text), SENTENCE_END):
        if out and end - out[-1][0] <= WINDOW_CHARS:
            out[-1] = (out[-1][0], end)
            continue
        cuts = [*range(start, end, WINDOW_CHARS), end]
        out += [(one, other) for one, other in pairwise(cuts) if text[one:other].strip()]
    return out


def joined(within: Sequence[Span], found: Sequence[TokenClasses]) -> TokenClasses:
    """Of the windows, as one for the text."""
    if not found:
        return TokenClasses(np.empty((0, len(CLASSES)), np.float32), np.empty(0, np.int64), np.empty(0, np.int64))
    return TokenClasses(
        np.concatenate([one.shares for one in found]),
        np.concatenate([one.starts + start for one, (start, _) in zip(found, within, strict=True)]),
        np.concatenate([one.ends + start for one, (start, _) in zip(found, within, strict=True)]),
    )


def stretches(text: str, tags: TokenClasses) -> list[Span]:
    """Where tokens in a row name something and agree on what is made of it."""
    out: list[Span] = []
    last = 0
    for start, end, shares in zip(tags.starts.tolist(), tags.ends.tolist(), tags.shares, strict=True):
        meant = int(shares[1:].argmax()) + 1 if shares[0] < NAMES_NOTHING else 0
        if meant and meant == last and start - out[-1][1] <= 1:
            out[-1] = (out[-1][0], end)
        elif meant:
            out.append((start, end))
        last = meant
    cut = (trimmed(text, start, end) for start, end in out)
    return [(start, end) for start, end in cut if end - start >= SHORTEST]
