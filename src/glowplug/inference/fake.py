"""A deterministic encoder without a model, for unit tests only: texts that share words have similar vectors."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glowplug.inference.encoder import (
    BEHIND_TOKENS,
    Kind,
    TokenBatch,
    Vectors,
    encode_in_stages,
    fingerprint,
    unit,
)

DIM = 64  # random signs of this many dimensions keep unrelated words within about .12 of orthogonal
BATCH = 32  # texts in one forward pass
MAX_CHARS = 2_000  # a stand-in for the longest text that a model reads
TRIGRAM_WEIGHT = 0.25  # inflections of a word stay near it, without drowning the word itself
KIND_WEIGHT = 0.3  # a prompt moves a vector a little
WORDS = re.compile(r"\w+")


class FakeEncoder:
    """A hashed bag of words and character n-grams.

    fails_on: encoding raises RuntimeError when a text contains this; nan_on: such a text's row is NaN.
    encoded: texts that went through `forward` so far.
    """

    behind_tokens = BEHIND_TOKENS

    def __init__(self, dim: int = DIM, *, fails_on: str | None = None, nan_on: str | None = None) -> None:
        self.dim = dim
        self.fingerprint = fingerprint("fake", {"dim": dim, "trigrams": TRIGRAM_WEIGHT, "kind": KIND_WEIGHT})
        self.fails_on = fails_on
        self.nan_on = nan_on
        self.encoded = 0

    def encode(self, texts: Sequence[str], kind: Kind) -> Vectors:
        return encode_in_stages(self, texts, kind)

    def tokenise(self, texts: Sequence[str], kind: Kind) -> Sequence[TokenBatch]:
        points = [[ord(char) for char in text[:MAX_CHARS]] for text in texts]
        return [
            TokenBatch(kind, tuple(range(at, min(at + BATCH, len(texts)))), tuple(points[at : at + BATCH]))
            for at in range(0, len(texts), BATCH)
        ]

    def forward(self, batch: TokenBatch) -> Vectors:
        texts = ["".join(map(chr, tokens)) for tokens in batch.tokens]
        if self.fails_on is not None and any(self.fails_on in text for text in texts):
            raise RuntimeError(f"the model fails on texts with {self.fails_on!r}")
        self.encoded += len(texts)
        rows = np.stack([self._row(text, batch.kind) for text in texts])
        if self.nan_on is not None:
            rows[[self.nan_on in text for text in texts]] = np.nan
        return rows

    def finish(self, pooled: Vectors, kind: Kind) -> Vectors:  # noqa: ARG002  named by the Protocol
        return unit(pooled)

    def _row(self, text: str, kind: Kind) -> Vectors:
        row = np.zeros(self.dim, dtype=np.float32)
        for feature, weight in _features(text).items():
            row += np.float32(weight) * _signs(feature, self.dim)
        length = float(np.linalg.norm(row)) or 1.0
        return row / np.float32(length) + np.float32(KIND_WEIGHT) * _signs(f"kind {kind}", self.dim)


def _features(text: str) -> dict[str, float]:
    """Words with their counts, trigrams of words in alphabets, characters and their pairs in other scripts."""
    features: defaultdict[str, float] = defaultdict(float)
    for word in WORDS.findall(text.casefold()):
        if word.isascii():
            features[word] += 1
            for at in range(len(word) - 2):
                features[f"3 {word[at : at + 3]}"] += TRIGRAM_WEIGHT
        else:
            for gram in (*word, *(word[at : at + 2] for at in range(len(word) - 1))):
                features[gram] += 1
    return dict(features) or {f"whole {text}": 1.0}


@lru_cache(maxsize=100_000)
def _signs(feature: str, dim: int) -> NDArray[np.float32]:
    """float32 (dim,) of ±1/√dim, by the hash of the feature alone."""
    bits = np.unpackbits(
        np.frombuffer(hashlib.shake_128(feature.encode("utf-8", "surrogatepass")).digest(dim // 8 + 1), np.uint8)
    )
    signs = (bits[:dim].astype(np.float32) * 2 - 1) / np.float32(np.sqrt(dim))
    signs.flags.writeable = False
    return signs
