"""Texts as passes of a network: what goes together, padded, and halved where memory does not hold it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from glowplug.inference.batches import CPU_TOKENS, token_batches
from glowplug.inference.devices import is_out_of_memory
from glowplug.inference.encoder import Kind, TokenBatch

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Passes:
    """padding: a token id. budget: padded tokens of one pass."""

    padding: int
    budget: int
    device: torch.device

    def batches(self, tokens: Sequence[Sequence[int]], kind: Kind) -> list[TokenBatch]:
        enough = CPU_TOKENS if self.device.type == "cpu" else self.budget
        return [
            TokenBatch(kind, tuple(rows), tuple(tokens[row] for row in rows))
            for rows in token_batches([len(ids) for ids in tokens], self.budget, enough)
        ]

    def padded(self, batch: TokenBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """int64 (texts, tokens) and (texts,), their lengths."""
        lengths = np.array([len(ids) for ids in batch.tokens], dtype=np.int64)
        # Padded on the right, whatever the tokenizer says: a causal model never looks there, and positions
        # start at 0 for every text, so that a text's vector does not depend on its neighbours.
        padded = np.full((len(lengths), max(int(lengths.max()), 1)), self.padding, dtype=np.int64)
        for row, ids in enumerate(batch.tokens):
            padded[row, : len(ids)] = ids
        return torch.from_numpy(padded).to(self.device), torch.from_numpy(lengths).to(self.device)

    def run(self, batch: TokenBatch, once: Callable[[TokenBatch], Result]) -> list[Result]:
        """One pass, or as many as fit: a batch that memory cannot hold is halved, down to single texts."""
        try:
            return [once(batch)]
        except Exception as error:
            if len(batch.rows) == 1 or not is_out_of_memory(error):
                raise
        # Outside the except block: the traceback there keeps the failed pass's tensors alive.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        middle = len(batch.rows) // 2
        halves = (
            TokenBatch(batch.kind, batch.rows[:middle], batch.tokens[:middle]),
            TokenBatch(batch.kind, batch.rows[middle:], batch.tokens[middle:]),
        )
        return [result for half in halves for result in self.run(half, once)]
