"""Any sentence-transformers-style model, encoder or decoder, run by transformers on CUDA or CPU."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from glowplug.errors import BadSettings
from glowplug.inference.adapted import AdaptedNetwork
from glowplug.inference.adapter import Adapter
from glowplug.inference.centre import Centre, centre_for
from glowplug.inference.devices import device_of, dtype_of
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
from glowplug.inference.passes import Passes
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
        self._passes = Passes(self._reader.padding, settings.batch_tokens, self.device)
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
        return self._passes.batches(self._reader.read(texts, kind), kind)

    def forward(self, batch: TokenBatch) -> Vectors:
        return np.concatenate(self._passes.run(batch, self._pass))

    def finish(self, pooled: Vectors, kind: Kind) -> Vectors:
        rows = unit(pooled[:, : self.dim])
        return self._centre.apply(rows, kind) if self._centre else rows

    def adapted(self, adapter: Adapter) -> AdaptedNetwork:
        return AdaptedNetwork(self._network, self._reader, self._passes, adapter)

    @torch.inference_mode()
    def _pass(self, batch: TokenBatch) -> Vectors:
        ids, lengths = self._passes.padded(batch)
        hidden = self._network.hidden(ids, lengths)
        skip = 0 if self._pools_prompt else self._reader.prompt_tokens(batch.kind)
        pooled: Vectors = self._network.after(pool(hidden, lengths, self._poolings, skip)).cpu().numpy()
        return pooled


def _dim(asked: int | None, width: int, source: Source) -> int:
    if asked is not None and asked > width:
        raise BadSettings(f"encoder.dim is {asked}, but {source.name} makes vectors of {width}; lower or drop it")
    return asked or width
