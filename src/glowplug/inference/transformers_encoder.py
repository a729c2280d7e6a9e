"""Any sentence-transformers-style model, encoder or decoder, run by transformers on CUDA or CPU."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from glowplug.errors import BadSettings
from glowplug.inference.batches import CPU_TOKENS, token_batches
from glowplug.inference.centre import Centre, centre_for
from glowplug.inference.devices import device_of, dtype_of, is_out_of_memory
from glowplug.inference.encoder import (
    BEHIND_TOKENS,
    Kind,
    TokenBatch,
    Vectors,
    encode_in_stages,
    fingerprint,
    unit,
)
from glowplug.inference.layout import read_layout
from glowplug.inference.network import load_network
from glowplug.inference.pooling import pool
from glowplug.inference.reading import Reader
from glowplug.inference.sources import Source
from glowplug.settings import EncoderSettings


class TransformersEncoder:
    """`tokenise` and `finish` may run in many threads at once; `forward` belongs to one at a time.

    load_seconds: what the constructor took.
    """

    behind_tokens = BEHIND_TOKENS

    def __init__(self, source: Source, settings: EncoderSettings) -> None:
        """Raises ModelMissing when the folder cannot be loaded, BadSettings when dim or device do not fit."""
        started = time.perf_counter()
        layout = read_layout(source.folder)
        self.device = device_of(settings)
        self._network = load_network(source.folder, layout, self.device, dtype_of(settings, self.device))
        self._reader = Reader(source.folder, layout, settings, self._network.positions)
        self._poolings, self._pools_prompt = layout.poolings, layout.pools_prompt
        self._budget = settings.batch_tokens
        self._enough = CPU_TOKENS if self.device.type == "cpu" else settings.batch_tokens
        self.dim = _dim(settings.dim or layout.dim, self._network.width, source)
        identity: dict[str, object] = {
            "revision": source.revision,
            "poolings": layout.poolings,
            "pools_prompt": layout.pools_prompt,
            "after": layout.after,
            "prompts": sorted(self._reader.prompts.items()),
            "max_tokens": self._reader.max_tokens,
            "dim": self.dim,
        }
        self._centre: Centre | None = None
        self._centre = centre_for(self, fingerprint(source.name, identity), settings)
        identity["centre"] = self._centre.learned_from if self._centre else None
        self.fingerprint = fingerprint(source.name, identity)
        self.load_seconds = time.perf_counter() - started

    def encode(self, texts: Sequence[str], kind: Kind) -> Vectors:
        return encode_in_stages(self, texts, kind)

    def tokenise(self, texts: Sequence[str], kind: Kind) -> Sequence[TokenBatch]:
        tokens = self._reader.read(texts, kind)
        return [
            TokenBatch(kind, tuple(rows), tuple(tokens[row] for row in rows))
            for rows in token_batches([len(ids) for ids in tokens], self._budget, self._enough)
        ]

    def forward(self, batch: TokenBatch) -> Vectors:
        """One pass, or as many as fit: a batch that memory cannot hold is halved, down to single texts."""
        try:
            return self._pass(batch)
        except Exception as error:
            if len(batch.rows) == 1 or not is_out_of_memory(error):
                raise
        # Outside the except block: the traceback there keeps the failed pass's tensors alive.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        middle = len(batch.rows) // 2
        halves = [
            TokenBatch(batch.kind, batch.rows[:middle], batch.tokens[:middle]),
            TokenBatch(batch.kind, batch.rows[middle:], batch.tokens[middle:]),
        ]
        return np.concatenate([self.forward(half) for half in halves])

    def finish(self, pooled: Vectors, kind: Kind) -> Vectors:
        rows = unit(pooled[:, : self.dim])
        return self._centre.apply(rows, kind) if self._centre else rows

    @torch.inference_mode()
    def _pass(self, batch: TokenBatch) -> Vectors:
        lengths = np.array([len(ids) for ids in batch.tokens], dtype=np.int64)
        # Padded on the right, whatever the tokenizer says: a causal model never looks there, and positions
        # start at 0 for every text, so that a text's vector does not depend on its neighbours.
        padded = np.full((len(lengths), max(int(lengths.max()), 1)), self._reader.padding, dtype=np.int64)
        for row, ids in enumerate(batch.tokens):
            padded[row, : len(ids)] = ids
        sizes = torch.from_numpy(lengths).to(self.device)
        hidden = self._network.hidden(torch.from_numpy(padded).to(self.device), sizes)
        skip = 0 if self._pools_prompt else self._reader.prompt_tokens(batch.kind)
        pooled: Vectors = self._network.after(pool(hidden, sizes, self._poolings, skip)).cpu().numpy()
        return pooled


def _dim(asked: int | None, width: int, source: Source) -> int:
    if asked is not None and asked > width:
        raise BadSettings(f"encoder.dim is {asked}, but {source.name} makes vectors of {width}; lower or drop it")
    return asked or width
