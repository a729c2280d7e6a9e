"""Which label a stretch of text is about, beyond what the anchors say: by a linear layer over sentence vectors, and
by the labels' other words.

`python -m bench.profile_training` learns it from all words of the taxonomy and from what people were seen to call
things; it holds for one encoder. The words that are no anchors, three quarters of all, come with it as vectors: to
encode them would take a minute at the first start. Linking of what is mentioned to entries of a vocabulary is
"entity linking" in the literature; here an entry is a label, and what it is called can be anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glowplug.inference.encoder import Vectors
from glowplug.inference.quantised import Quantised
from glowplug.inference.weights_file import read_weights, write_weights
from glowplug.profiles.anchors import Anchors
from glowplug.profiles.taxonomy import Taxonomy

FILE = "linker.safetensors"
KIND = "linker"
CODES, CODEBOOK = "words.codes", "words.codebook"
LEAST, MIDDLE = -6.0, -3.0  # log probabilities: less says nothing more; about where a label is as likely as not
COUNTS = 0.04  # of a nat, in cosine


@dataclass(frozen=True)
class Linker:
    """weight: float32 (labels, dim), for the labels `ids`. words: of the labels, in their order, those that are no
    anchors. counts: how many of each label."""

    encoder: str
    ids: tuple[str, ...]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    words: Quantised
    counts: tuple[int, ...]
    hash: str = ""

    @cached_property
    def anchors(self) -> Anchors:
        """The words of the labels that have any: decoded when first asked for, 41 MB of the built-in ones."""
        some = np.array([count for count in self.counts if count], np.int64)
        return Anchors(self.words.rows(), np.cumsum(some) - some)

    def nearest(self, rows: Vectors, taxonomy: Taxonomy) -> NDArray[np.float32]:
        """float32 (n, labels of the taxonomy): the largest cosine to a word of the label; -1 where it has none."""
        out = np.full((len(rows), len(taxonomy.labels)), -1.0, np.float32)
        some = [id_ for id_, count in zip(self.ids, self.counts, strict=True) if count]
        known = [(at, taxonomy.rows[id_]) for at, id_ in enumerate(some) if id_ in taxonomy.rows]
        if known:
            out[:, [row for _, row in known]] = self.anchors.likeness(rows)[:, [at for at, _ in known]]
        return out

    def lifts(self, rows: Vectors, taxonomy: Taxonomy) -> NDArray[np.float32]:
        """float32 (n, labels of the taxonomy): what is added to their cosines.

        A label that it lacks, of the settings say, is lifted as most others are that a text is not about; where it
        lacks all of them, none is."""
        logits = rows @ self.weight.T + self.bias
        logits -= logits.max(axis=1, keepdims=True, initial=-np.inf)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        known = [(at, taxonomy.rows[id_]) for at, id_ in enumerate(self.ids) if id_ in taxonomy.rows]
        out = np.full((len(rows), len(taxonomy.labels)), COUNTS * (LEAST - MIDDLE) if known else 0.0, np.float32)
        out[:, [row for _, row in known]] = COUNTS * (np.maximum(logs[:, [at for at, _ in known]], LEAST) - MIDDLE)
        return out


def write_linker(linker: Linker, path: Path) -> None:
    told = {"encoder": linker.encoder, "ids": linker.ids, "counts": linker.counts}
    tensors = {"weight": linker.weight, "bias": linker.bias, CODEBOOK: linker.words.codebook}
    write_weights(path, KIND, told, {**tensors, CODES: linker.words.codes})


@cache
def built_in_linker() -> Linker:
    with as_file(files("glowplug.profiles").joinpath(FILE)) as path:
        return read_linker(path)


def read_linker(path: Path) -> Linker:
    told, tensors, digest = read_weights(path, KIND)
    words = Quantised(tensors[CODES], tensors[CODEBOOK])
    counts = tuple(told["counts"])
    return Linker(told["encoder"], tuple(told["ids"]), tensors["weight"], tensors["bias"], words, counts, digest)


def lifted(likeness: NDArray[np.float32], rows: Vectors, taxonomy: Taxonomy, linker: Linker) -> NDArray[np.float32]:
    """likeness: the cosines to the anchors, to which it adds what the linker knows beyond them."""
    nearest = np.maximum(likeness, linker.nearest(rows, taxonomy))
    out: NDArray[np.float32] = nearest + linker.lifts(rows, taxonomy)
    return out
