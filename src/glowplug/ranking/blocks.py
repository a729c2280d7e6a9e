"""One inner product: item = [text | prior of even epochs | prior of odd epochs], user = the same blocks, weighted.

A user's list was scored with the priors of one epoch; their vector is zero in the other epoch's columns. So lists
of the old and of the new epoch are compared with new items in one index, while they move over one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glowplug.vectors import Half

PRIOR = 2  # popularity, freshness
LANES = (
    16  # FAISS's vectorised scalar quantiser asks for a multiple of this: 388 columns take ten times as long as 400
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the blocks lie. text: dimension of the encoder."""

    text: int

    @property
    def dim(self) -> int:
        """Zeros fill up to a multiple of LANES."""
        return -(-(self.text + 2 * PRIOR) // LANES) * LANES

    def prior(self, epoch: int) -> slice:
        start = self.text + PRIOR * (epoch % 2)
        return slice(start, start + PRIOR)

    def item(self, text: Half | None) -> Half:
        """float16 (dim,) with empty priors."""
        row = np.zeros(self.dim, np.float16)
        if text is not None:
            row[: self.text] = text
        return row

    def user(self, text: Half | None, popularity: float, freshness: float, epoch: int) -> Half:
        """float16 (dim,): the text side and the weights of the two priors in the columns of `epoch`."""
        row = np.zeros(self.dim, np.float16)
        if text is not None:
            row[: self.text] = text
        row[self.prior(epoch)] = (popularity, freshness)
        return row
