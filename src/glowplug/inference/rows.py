"""Keys and values of the texts that a causal model is answering: a row each, of any length, always the first n."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

ATTENTION = "glowplug_rows"  # its name among transformers' attention functions
# Room is added so many at a time: what grows by one would be copied for every token.
MORE_ROWS, MORE_COLUMNS = 4, 64


@dataclass(frozen=True, slots=True)
class Prefix:
    """What many texts begin with, computed once. keys, values: for each layer (heads, tokens, width)."""

    tokens: tuple[int, ...]
    keys: tuple[torch.Tensor, ...] = ()
    values: tuple[torch.Tensor, ...] = ()


@dataclass(slots=True)
class _Layer:
    keys: torch.Tensor  # (rows, heads, columns, width)
    values: torch.Tensor


@dataclass(slots=True)
class Rows:
    """Takes the place of transformers' Cache. lengths: tokens of each row in use."""

    device: torch.device
    lengths: list[int] = field(default_factory=list)
    _layers: list[_Layer] = field(default_factory=list)
    _shape: tuple[int, int] = (0, 0)  # rows and columns that there is room for
    # What the pass under way covers: rows [first, last), where its tokens go, and how many columns it looks at.
    _first: int = 0
    _last: int = 0
    _where: tuple[torch.Tensor, torch.Tensor] | None = None
    _seen: int = 0

    def add(self, prefix: Prefix) -> int:
        """A new row that begins with `prefix`; its number."""
        row = len(self.lengths)
        self.lengths.append(0)
        if not prefix.keys:
            return row
        length = len(prefix.tokens)
        self._fit(length)
        for at, (keys, values) in enumerate(zip(prefix.keys, prefix.values, strict=True)):
            layer = self._layer(at, keys, values)
            layer.keys[row, :, :length] = keys
            layer.values[row, :, :length] = values
        self.lengths[row] = length
        return row

    def remove(self, row: int) -> int:
        """The last row takes its number; the number that the last row had."""
        last = len(self.lengths) - 1
        if row != last:
            length = self.lengths[last]
            for layer in self._layers:
                layer.keys[row, :, :length] = layer.keys[last, :, :length]
                layer.values[row, :, :length] = layer.values[last, :, :length]
            self.lengths[row] = length
        self.lengths.pop()
        return last

    def clear(self) -> None:
        """Gives the memory back."""
        self.lengths.clear()
        self._layers.clear()

    def copy(self, row: int) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
        """Keys and values of a row, for each layer (heads, tokens, width)."""
        length = self.lengths[row]
        return (
            tuple(layer.keys[row, :, :length].clone() for layer in self._layers),
            tuple(layer.values[row, :, :length].clone() for layer in self._layers),
        )

    # ---- a pass of the model -----------------------------------------------------------------------------

    def begin(self, first: int, last: int, counts: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """The next counts[i] tokens of each row in [first, last). int64 positions (rows, tokens), and the bool mask
        (rows, 1, tokens, columns) of what each may look at; padding looks at its row too, so all is finite."""
        longest = max(counts)
        starts = self.lengths[first:last]
        self._first, self._last = first, last
        self._seen = -(-(max(starts) + longest) // MORE_COLUMNS) * MORE_COLUMNS
        self._fit(self._seen)
        offsets = torch.arange(longest, device=self.device)
        positions = torch.tensor(starts, device=self.device)[:, None] + offsets[None, :]
        rows = torch.arange(first, last, device=self.device)[:, None].expand_as(positions)
        self._where = (rows, positions)
        columns = torch.arange(self._seen, device=self.device)
        return positions, (columns[None, None, None, :] <= positions[:, None, :, None])

    def end(self, counts: list[int]) -> None:
        for at, count in enumerate(counts):
            self.lengths[self._first + at] += count
        self._where = None

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_more: Any, **_options: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Called by each attention layer: takes (rows, heads, tokens, width), gives all that the row has."""
        layer = self._layer(layer_idx, keys[0], values[0])
        assert self._where is not None  # noqa: S101  only within a pass
        layer.keys.transpose(1, 2).index_put_(self._where, keys.transpose(1, 2))
        layer.values.transpose(1, 2).index_put_(self._where, values.transpose(1, 2))
        view = slice(self._first, self._last), slice(None), slice(self._seen)
        return layer.keys[view], layer.values[view]

    def get_seq_length(self, _layer: int = 0) -> int:
        """Of no meaning here, where every row has its own: positions and masks are given to each pass."""
        return max(self.lengths, default=0)

    def _fit(self, columns: int) -> None:
        """Room for all rows in use and so many columns; what rows that left had taken is given back with it."""
        rows = -(-len(self.lengths) // MORE_ROWS) * MORE_ROWS
        if self._layers:
            has_rows, _, has_columns, _ = self._layers[0].keys.shape
            if has_rows >= rows and has_columns >= columns:
                return
        columns = -(-max(columns, *self.lengths) // MORE_COLUMNS) * MORE_COLUMNS
        for layer in self._layers:
            layer.keys = _moved(layer.keys, rows, columns)
            layer.values = _moved(layer.values, rows, columns)
        self._shape = rows, columns

    def _layer(self, at: int, keys: torch.Tensor, values: torch.Tensor) -> _Layer:
        """keys, values: as of one row; what is new gets their heads, width, number format and place."""
        if at == len(self._layers):
            rows, columns = self._shape
            self._layers.append(
                _Layer(
                    keys.new_zeros((rows, keys.shape[0], columns, keys.shape[-1])),
                    values.new_zeros((rows, values.shape[0], columns, values.shape[-1])),
                )
            )
        return self._layers[at]


def attention(
    module: torch.nn.Module,  # noqa: ARG001  transformers' order of arguments
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Query heads that share a key head become more queries of it, so that keys and values need no copies.

    query: (rows, heads, tokens, width); key, value: (rows, key heads, columns, width).
    """
    if options.get("softcap") is not None or options.get("s_aux") is not None:
        raise NotImplementedError("attention with soft caps or sinks")
    rows, heads, tokens, width = query.shape
    shared = heads // key.shape[1]
    packed = query.reshape(rows, key.shape[1], shared * tokens, width)
    mask = attention_mask.repeat(1, 1, shared, 1) if shared * tokens > 1 else attention_mask
    out = torch.nn.functional.scaled_dot_product_attention(packed, key, value, attn_mask=mask, scale=scaling)
    return out.reshape(rows, heads, tokens, value.shape[-1]).transpose(1, 2), None


def _moved(tensor: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """What it holds, as far as it fits, in a tensor of another size."""
    moved = tensor.new_zeros((rows, tensor.shape[1], columns, tensor.shape[3]))
    kept = min(rows, tensor.shape[0]), min(columns, tensor.shape[2])
    moved[: kept[0], :, : kept[1]] = tensor[: kept[0], :, : kept[1]]
    return moved
