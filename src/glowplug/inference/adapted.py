"""An encoder's network with an adapter: classes of tokens, in passes as fast as the encoder's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from glowplug.inference.adapter import Adapter
from glowplug.inference.encoder import Kind, TokenBatch
from glowplug.inference.merged import merged
from glowplug.inference.network import Network
from glowplug.inference.passes import Passes
from glowplug.inference.reading import Reader
from glowplug.inference.token_classes import ReadTexts

KIND: Kind = "user"  # adapters read what users write, behind the prompt that the encoder knows for it


class AdaptedNetwork:
    """A StagedTokenClassifier. `network` itself stays as it is.

    It holds the updated layers a second time (of the built-in encoder 42 MB in bfloat16, 85 in float32; embeddings
    are shared): two small products more in each of them would make a short pass half as long again.
    """

    def __init__(self, network: Network, reader: Reader, passes: Passes, adapter: Adapter) -> None:
        self._reader, self._passes = reader, passes
        updates = {name: _tensors(*pair) for name, pair in adapter.updates.items()}
        model = merged(network.model, updates, adapter.scale)
        self._network = replace(network, model=model.eval())
        self._weight, self._bias = (part.to(passes.device) for part in _tensors(adapter.weight, adapter.bias))

    def tokenise(self, texts: Sequence[str]) -> ReadTexts:
        tokens, spans = self._reader.read_spans(texts, KIND)
        return ReadTexts(self._passes.batches(tokens, KIND), spans)

    def forward(self, batch: TokenBatch) -> list[NDArray[np.float32]]:
        return [row for rows in self._passes.run(batch, self._pass) for row in rows]

    @torch.inference_mode()
    def _pass(self, batch: TokenBatch) -> list[NDArray[np.float32]]:
        ids, lengths = self._passes.padded(batch)
        hidden = self._network.hidden(ids, lengths).float()
        shares: NDArray[np.float32] = torch.softmax(hidden @ self._weight.T + self._bias, dim=2).cpu().numpy()
        return [row[: len(tokens)] for row, tokens in zip(shares, batch.tokens, strict=True)]


def _tensors(one: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(one), torch.from_numpy(other)
