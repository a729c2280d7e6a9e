"""Where the labels lie in an encoder's space: a vector for each of their words, computed once and kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from glowplug.errors import ModelMissing
from glowplug.inference.cache import cache_folder, made_once
from glowplug.inference.encoder import TextEncoder, Vectors
from glowplug.inference.shared import in_front
from glowplug.profiles.taxonomy import Label, Taxonomy
from glowplug.text.hashes import content_hash

log = logging.getLogger("glowplug.profiles")

MOST_WORDS, MOST_HINTS = 32, 8  # of a label: its first, in all languages; the others are for looking up
CHUNK = 512  # words in one call, which sorts them by length: its passes are full and waste little padding


@dataclass(frozen=True, slots=True)
class Anchors:
    """vectors: float32 (anchors, dim), unit rows grouped by label. first: int64 (labels,), the first of each."""

    vectors: Vectors
    first: NDArray[np.int64]

    def likeness(self, rows: Vectors) -> NDArray[np.float32]:
        """float32 (n, labels): of each row and label the largest cosine to one of the label's words."""
        if not len(rows):
            return np.empty((0, len(self.first)), np.float32)
        largest: NDArray[np.float32] = np.maximum.reduceat(rows @ self.vectors.T, self.first, axis=1)
        return largest


def anchors(taxonomy: Taxonomy, encoder: TextEncoder, cache_dir: Path | None) -> Anchors:
    """Of every label its name and words, encoded as what users say, for which the shared encoder remembers them.

    Items' texts are compared with the same vectors: centring has taken out what tells the two prompts apart.
    Computed once for each encoder and list of words, before any consumer starts, in some 20 s on two cores for the
    small encoder.
    """
    encoder = in_front(encoder)
    words = [said(label) for label in taxonomy.labels]
    flat = [word for group in words for word in group]
    folder = cache_folder(cache_dir) / "labels" / f"{encoder.fingerprint.replace(':', '-')}-{content_hash(flat)}"

    def computed() -> Vectors:
        return np.concatenate([encoder.encode(flat[at : at + CHUNK], "user") for at in range(0, len(flat), CHUNK)])

    def make(draft: Path) -> None:
        save_file({"vectors": computed()}, draft / "labels.safetensors")

    try:
        vectors = load_file(made_once(folder, make) / "labels.safetensors")["vectors"]
    except ModelMissing as error:  # a read-only container, a full disk: profiles are made all the same
        log.warning("labels' vectors are computed at every start: %s", error)
        vectors = computed()
    return Anchors(vectors, _first(words))


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
