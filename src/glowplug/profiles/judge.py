"""How probable it is of each candidate that its writer wants it, or wants to avoid it: what was learned of that.

One multinomial logistic regression for each source of candidates (weights in judge.json, by `python -m
bench.profile_training`). A share is a probability, and the weight of the claim.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from glowplug.inference.weights_file import HASH_CHARS
from glowplug.profiles.candidates import FEATURES, Candidate, Source
from glowplug.profiles.weighing import Weighed

MEANINGS = ("wanted", "avoided", "wrong")
AVOIDED_FROM = 0.4  # a wrong dislike takes away what fits, a missed one leaves what does not
WANTED_FROM = 0.15  # weaker claims change no list, and are mostly wrong
MOST = 0.999  # nothing is certain


@dataclass(frozen=True, slots=True)
class Judge:
    """encoder, tagger, linker: the fingerprint and the hashes of what it knows. weights: by source float32
    (meanings, features + 1); the last is added always."""

    encoder: str
    weights: Mapping[Source, NDArray[np.float32]]
    hash: str
    tagger: str = ""
    linker: str = ""

    def shares(self, found: Sequence[Candidate]) -> NDArray[np.float32]:
        """float32 (n, meanings)."""
        logits = np.array(
            [
                self.weights[one.place.source][:, :-1] @ one.features + self.weights[one.place.source][:, -1]
                for one in found
            ],
            np.float32,
        ).reshape(-1, len(MEANINGS))
        raised = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        out: NDArray[np.float32] = raised / raised.sum(axis=1, keepdims=True)
        return out


@cache
def built_in_judge() -> Judge:
    text = files("glowplug.profiles").joinpath("judge.json").read_text("utf-8")
    loaded = json.loads(text)
    if loaded["features"] != list(FEATURES):
        raise ValueError("judge.json was learned of other features: python -m bench.profile_training")
    weights = {source: np.array(rows, np.float32) for source, rows in loaded["weights"].items()}
    digest = hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARS]
    return Judge(loaded["encoder"], weights, digest, loaded["tagger"], loaded["linker"])


def ruled(at: int, found: Sequence[Candidate], shares: NDArray[np.float32]) -> list[Weighed]:
    """What field number `at` wants and avoids: of each label one verdict, by its clearest candidate."""
    clearest: dict[int, int] = {}
    for number in np.flatnonzero(np.isfinite(shares).all(axis=1)).tolist():
        one = found[number]
        known = clearest.get(one.row)
        if known is None or shares[number, :2].max() > shares[known, :2].max():
            clearest[one.row] = number
    out = []
    for row, number in clearest.items():
        wanted, avoided = (min(MOST, round(float(share), 3)) for share in shares[number, :2])
        is_avoided = avoided >= AVOIDED_FROM and avoided > wanted
        if is_avoided or wanted >= WANTED_FROM:
            place = found[number].place
            weight = avoided if is_avoided else wanted
            out.append(Weighed(row, not is_avoided, weight, at, place.start, place.end))
    return out
