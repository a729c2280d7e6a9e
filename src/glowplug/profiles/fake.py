"""A profile model without a model, for unit tests only: a handful of words, and "no" or "hate" before them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from glowplug.errors import ModelRejected
from glowplug.inference.encoder import fingerprint
from glowplug.profiles.model import Claimed, Inferred, Subject
from glowplug.profiles.orders import unread
from glowplug.profiles.visible import visible

WORDS = ("chess", "cooking", "hiking", "horror", "jazz", "tea")
READ_CHARS = 4_000
DISLIKED = re.compile(r"(?:\bno|\bnot|\bhates?)\s+$")
NAMED = re.compile(rf"\b(?:{'|'.join(WORDS)})\b")


class FakeProfileModel:
    """Every word of WORDS is an interest of weight 1, or something to avoid; the first mention counts."""

    def __init__(self) -> None:
        self.fingerprint = fingerprint("fake-profiles", {"words": WORDS})

    def infer(self, subjects: Sequence[Subject]) -> list[Inferred | ModelRejected]:
        return [_described(subject) for subject in subjects]


def _described(subject: Subject) -> Inferred:
    found: dict[str, tuple[Claimed, bool]] = {}
    for field, original in subject.fields:
        text = visible(original[:READ_CHARS])
        hidden = unread(text)
        for match in NAMED.finditer(text.folded):
            if not any(start < match.end() and match.start() < end for start, end in hidden):
                claim = Claimed(match[0], 1.0, field, *text.original(*match.span()))
                found.setdefault(match[0], (claim, DISLIKED.search(text.folded[: match.start()]) is not None))
    claims = tuple(claim for claim, is_disliked in found.values() if not is_disliked)
    avoid = tuple(claim for claim, is_disliked in found.values() if is_disliked)
    confidence = 1.0 if found else 0.0
    if subject.kind == "item":
        return Inferred(
            attributes=tuple(
                Claimed(f"category:{one.label}", 1.0, one.field, one.start, one.end) for one in claims
            ),
            confidence=confidence,
        )
    return Inferred(interests=claims, avoid=avoid, languages=("en",) if found else (), confidence=confidence)
