"""Where the labels lie in an encoder's space: a vector for each of their words.

Those of the built-in labels and the built-in encoder come with the package (`python -m bench.profile_training
anchors`): 11,000 words would hold up the first start for 20 s. All others are computed once and kept.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from glowplug.errors import ModelMissing
from glowplug.inference.cache import cache_folder, made_once
from glowplug.inference.encoder import TextEncoder, Vectors
from glowplug.inference.quantised import Scaled
from glowplug.inference.shared import in_front
from glowplug.inference.weights_file import read_weights, write_weights
from glowplug.profiles.taxonomy import Label, Taxonomy, built_in
from glowplug.text.hashes import content_hash

log = logging.getLogger("glowplug.profiles")

FILE = "anchors.safetensors"
KIND = "anchors"
MOST_WORDS, MOST_HINTS = 32, 8  # of a label: its first, in all languages; the others are for looking up
ROWS = 256  # compared at once, which takes 27 MB beside as many words
CHUNK = 512  # words in one call, which sorts them by length: its passes are full and waste little padding


@dataclass(frozen=True, slots=True)
class Anchors:
    """vectors: float32 (anchors, dim), unit rows grouped by label. first: int64 (labels,), the first of each."""

    vectors: Vectors
    first: NDArray[np.int64]

    def likeness(self, rows: Vectors) -> NDArray[np.float32]:
        """float32 (n, labels): of each row and label the largest cosine to one of the label's words."""
        out = np.empty((len(rows), len(self.first)), np.float32)
        for at in range(0, len(rows), ROWS):
            cosines = rows[at : at + ROWS] @ self.vectors.T
            np.maximum.reduceat(cosines, self.first, axis=1, out=out[at : at + ROWS])
        return out


@dataclass(frozen=True, slots=True)
class Shipped:
    """Vectors of the first words of the built-in labels. words: a hash of these, in order."""

    encoder: str
    words: str
    vectors: Scaled

    def by_word(self, encoder: str) -> dict[str, NDArray[np.float32]]:
        """Float32 (dim,) of each; nothing for another encoder, or where the labels were changed since."""
        if encoder != self.encoder:
            return {}
        flat = first_words(built_in())
        if content_hash(flat) != self.words:
            log.warning("%s is of other labels: python -m bench.profile_training anchors", FILE)
            return {}
        return dict(zip(flat, self.vectors.rows(), strict=True))


def anchors(taxonomy: Taxonomy, encoder: TextEncoder, cache_dir: Path | None) -> Anchors:
    """Of every label its name and words, encoded as what users say.

    Items' texts are compared with the same vectors: centring has taken out what tells the two prompts apart.
    What does not come with the package is computed before any consumer starts.
    """
    encoder = in_front(encoder)
    flat = first_words(taxonomy)
    known = shipped().by_word(encoder.fingerprint)
    missing = [word for word in dict.fromkeys(flat) if word not in known]
    if missing:
        known |= dict(zip(missing, _computed(missing, encoder, cache_dir), strict=True))
    return Anchors(np.array([known[word] for word in flat]), _first([said(label) for label in taxonomy.labels]))


def first_words(taxonomy: Taxonomy) -> list[str]:
    return [word for label in taxonomy.labels for word in said(label)]


def _computed(words: Sequence[str], encoder: TextEncoder, cache_dir: Path | None) -> Vectors:
    folder = cache_folder(cache_dir) / "labels" / f"{encoder.fingerprint.replace(':', '-')}-{content_hash(words)}"

    def computed() -> Vectors:
        return encoded(words, encoder)

    def make(draft: Path) -> None:
        save_file({"vectors": computed()}, draft / "labels.safetensors")

    try:
        return load_file(made_once(folder, make) / "labels.safetensors")["vectors"]
    except ModelMissing as error:  # a read-only container, a full disk: profiles are made all the same
        log.warning("labels' vectors are computed at every start: %s", error)
        return computed()


def encoded(words: Sequence[str], encoder: TextEncoder) -> Vectors:
    """As what users say."""
    return np.concatenate([encoder.encode(words[at : at + CHUNK], "user") for at in range(0, len(words), CHUNK)])


def write_shipped(encoder: TextEncoder, path: Path) -> None:
    """Of the built-in labels."""
    words = first_words(built_in())
    told = {"encoder": encoder.fingerprint, "words": content_hash(words)}
    write_weights(path, KIND, told, {"codes": Scaled.of(encoded(words, encoder)).codes})


@cache
def shipped() -> Shipped:
    with as_file(files("glowplug.profiles").joinpath(FILE)) as path:
        told, tensors, _ = read_weights(path, KIND)
    return Shipped(told["encoder"], told["words"], Scaled(tensors["codes"]))


def said(label: Label) -> list[str]:
    """The label's name and first words as a person would write them."""
    return written(replace(label, words=label.words[:MOST_WORDS], hints=label.hints[:MOST_HINTS]))


def written(label: Label) -> list[str]:
    """Likewise its name and all of its words."""
    words = map(plain, (*label.words, *label.hints))
    return list(dict.fromkeys((label.name, *(word for word in words if word))))


def plain(word: str) -> str:
    """Without the signs that say how it is looked up."""
    return word.strip("=~").replace("~", "")


def _first(words: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum([len(group) for group in words])[:-1]]).astype(np.int64)
