"""From a vector per token to a vector per text."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def pool(hidden: torch.Tensor, lengths: torch.Tensor, poolings: Sequence[str], skip: int = 0) -> torch.Tensor:
    """float32 (texts, width * len(poolings)). A text without tokens becomes a row of NaN.

    hidden:  (texts, tokens, width), padded on the right.
    lengths: int64 (texts,), tokens of each text.
    skip:    leading tokens (the prompt's) that do not count.
    """
    positions = torch.arange(hidden.shape[1], device=hidden.device)
    mask = (positions[None, :] < lengths[:, None]) & (positions[None, :] >= skip)
    wide = hidden.float()
    parts = [_POOL[name](wide, mask, positions) for name in poolings]
    pooled = torch.cat(parts, dim=1)
    pooled[~mask.any(dim=1)] = torch.nan
    return pooled


def _cls(hidden: torch.Tensor, mask: torch.Tensor, _positions: torch.Tensor) -> torch.Tensor:
    first = mask.int().argmax(dim=1)
    return hidden[torch.arange(len(hidden), device=hidden.device), first]


def _last(hidden: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    last = (mask * positions).argmax(dim=1)
    return hidden[torch.arange(len(hidden), device=hidden.device), last]


def _max(hidden: torch.Tensor, mask: torch.Tensor, _positions: torch.Tensor) -> torch.Tensor:
    return hidden.masked_fill(~mask[:, :, None], -torch.inf).amax(dim=1)


def _weighted(hidden: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return torch.einsum("btw,bt->bw", hidden.masked_fill(weights[:, :, None] == 0, 0), weights)


def _mean(hidden: torch.Tensor, mask: torch.Tensor, _positions: torch.Tensor) -> torch.Tensor:
    weights = mask.float()
    return _weighted(hidden, weights) / weights.sum(dim=1, keepdim=True)


def _mean_sqrt(hidden: torch.Tensor, mask: torch.Tensor, _positions: torch.Tensor) -> torch.Tensor:
    weights = mask.float()
    return _weighted(hidden, weights) / weights.sum(dim=1, keepdim=True).sqrt()


def _weighted_mean(hidden: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """SGPT's: later tokens have seen more, and count in proportion to their position."""
    weights = mask * (positions + 1).float()
    return _weighted(hidden, weights) / weights.sum(dim=1, keepdim=True)


_POOL = {
    "cls": _cls,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt,
    "weightedmean": _weighted_mean,
    "lasttoken": _last,
}
