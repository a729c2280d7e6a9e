"""Stance, learned: one linear layer over the vectors and cues of hearing.py (weights in stance.json).

`python -m bench.profile_stance` makes the weights, for one encoder; with any other the rules decide alone.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from glowplug.inference.encoder import Vectors
from glowplug.profiles.cues import Stance
from glowplug.profiles.hearing import Heard
from glowplug.profiles.pieces import Piece, Read

STANCES: tuple[Stance, ...] = ("wanted", "avoided", "neither")
AVOIDED_FROM = 0.4  # more than this: a wrong dislike takes things away that fit
HASH_CHARS = 12


@dataclass(frozen=True, slots=True)
class StanceModel:
    """weights: float32 (stances, sentence vector + clause vector + cues + 1); the last is added always."""

    encoder: str
    weights: NDArray[np.float32]
    hash: str

    def shares(self, sentences: Vectors, clauses: Vectors, heard: Sequence[Heard]) -> NDArray[np.float32]:
        """float32 (n, stances): how probable each stance is of each thing."""
        cues = np.array([one.cues for one in heard], np.float32)
        rows = np.hstack([sentences, clauses, cues, np.ones((len(heard), 1), np.float32)])
        logits = rows @ self.weights.T
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        out: NDArray[np.float32] = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
        return out


def stance_model(encoder: str) -> StanceModel | None:
    """For the encoder of this fingerprint, or none."""
    model = built_in_stances()
    return model if model.encoder == encoder else None


@cache
def built_in_stances() -> StanceModel:
    text = files("glowplug.profiles").joinpath("stance.json").read_text("utf-8")
    loaded = json.loads(text)
    weights = np.array(loaded["weights"], np.float32)
    return StanceModel(loaded["encoder"], weights, hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARS])


def judged(read: Read, heard: Sequence[Heard], shares: NDArray[np.float32]) -> Read:
    """With the stance of each piece that names something as the model sees it. shares: a row of each one heard.

    Of several things in one piece, which no comma parts, all have one stance: the likeliest of all together."""
    rows: defaultdict[int, list[int]] = defaultdict(list)
    for row, one in enumerate(heard):
        rows[one.piece].append(row)
    return replace(
        read,
        pieces=tuple(
            _judged(piece, shares[rows[at]].mean(axis=0)) if at in rows else piece
            for at, piece in enumerate(read.pieces)
        ),
    )


def _judged(piece: Piece, share: NDArray[np.float32]) -> Piece:
    wanted, avoided, neither = map(float, share)
    if avoided >= AVOIDED_FROM:
        return replace(piece, stance="avoided", by=piece.by if piece.stance == "avoided" else "learned", share=1.0)
    if piece.stance == "neither" and wanted < neither:
        return piece
    meant = wanted / (wanted + neither)
    return replace(piece, stance="wanted", by=piece.by if piece.stance == "wanted" else "learned", share=meant)
