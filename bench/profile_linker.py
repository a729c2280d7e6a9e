"""Trains the linker of the encoder's profile model, which says what a stretch is about that no word names, and
quantises the words that come with it."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np
import torch
from torch.nn import functional

from bench.profile_lessons import Lesson
from bench.profile_tagger import SEED, array_of
from glowplug.errors import BadSettings
from glowplug.inference.encoder import TextEncoder, Vectors
from glowplug.inference.quantised import Quantised
from glowplug.profiles.anchors import said, written
from glowplug.profiles.linker import Linker
from glowplug.profiles.taxonomy import Taxonomy

EPOCHS, RATE, BATCH, DROPOUT, NOISE = 20, 3e-3, 512, 0.3, 0.3
SHARPNESS = 10.0  # unit vectors, times this, give logits that can be sure
SEEN_WEIGHT = 3.0  # of what people were seen to call things, beside the taxonomy's words
SEEN_CHARS = 60  # longer stretches tell a story
# Numbers that a byte stands for: 8, at a cosine of .86 to the true vectors, find as much as the true ones.
PART, BITS = 8, 8


def texts_of(taxonomy: Taxonomy) -> list[tuple[str, int]]:
    """Every way in which the taxonomy's labels are written, and the row of each."""
    return [(text, row) for row, label in enumerate(taxonomy.labels) for text in written(label)]


def linker(encoder: TextEncoder, taxonomy: Taxonomy, lessons: Sequence[Lesson]) -> Linker:
    if encoder.dim % PART:
        raise BadSettings(f"encoder.dim is {encoder.dim}: words are quantised {PART} numbers at a time")
    words = texts_of(taxonomy)
    seen = [
        (lesson.field.shown[mark.start : mark.end], taxonomy.rows[id_])
        for lesson in lessons
        for mark in lesson.marks
        for id_ in mark.ids
        if mark.end - mark.start < SEEN_CHARS and id_ in taxonomy.rows
    ]
    seen = list(dict.fromkeys(seen))
    rows = torch.tensor([row for _, row in (*words, *seen)])
    encoded = [encoder.encode([text for text, _ in some], "user") for some in (words, seen)]
    vectors = torch.from_numpy(np.concatenate(encoded))
    weights = torch.cat([torch.ones(len(words)), torch.full((len(seen),), SEEN_WEIGHT)])
    counts = torch.bincount(rows, minlength=len(taxonomy.labels)).float().clamp(min=1)
    by_label = (counts.mean() / counts).sqrt()
    torch.manual_seed(SEED)
    layer = torch.nn.Linear(vectors.shape[1], len(taxonomy.labels))
    optimiser = torch.optim.AdamW(layer.parameters(), lr=RATE, weight_decay=0.01)
    total, step = EPOCHS * (len(rows) // BATCH + 1), 0
    for _epoch in range(EPOCHS):
        order = torch.randperm(len(rows))
        for start in range(0, len(rows), BATCH):
            at = order[start : start + BATCH]
            for group in optimiser.param_groups:
                group["lr"] = RATE * (1 - step / total) + 1e-6
            some = vectors[at] * SHARPNESS
            some = functional.dropout(some + NOISE * torch.randn_like(some), DROPOUT)
            each = functional.cross_entropy(layer(some), rows[at], reduction="none")
            torch.autograd.backward((each * by_label[rows[at]] * weights[at]).mean())
            optimiser.step()
            optimiser.zero_grad()
            step += 1
    ids = tuple(label.id for label in taxonomy.labels)
    known = [frozenset(said(label)) for label in taxonomy.labels]
    others = np.array([text not in known[row] for text, row in words])
    counts_of = np.bincount(np.array([row for _, row in words])[others], minlength=len(ids))
    return Linker(
        encoder.fingerprint, ids, array_of(layer.weight) * SHARPNESS, array_of(layer.bias),
        quantised(encoded[0][others]), tuple(counts_of.tolist()),
    )  # fmt: skip


def quantised(rows: Vectors) -> Quantised:
    parts = rows.shape[1] // PART
    quantiser = faiss.ProductQuantizer(rows.shape[1], parts, BITS)
    quantiser.train(rows)
    codebook = faiss.vector_to_array(quantiser.centroids).reshape(parts, 1 << BITS, PART)
    return Quantised(quantiser.compute_codes(rows), codebook)
