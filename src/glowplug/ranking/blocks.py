"""One inner product: item = [text | learned | prior of even epochs | of odd epochs], user = the same blocks,
weighted.

The learned block is there while a head serves (heads.head), and only then. A user's list was scored with the priors
of one epoch; their vector is zero in the other epoch's columns. So lists of the old and of the new epoch are
compared with new items in one index, while they move over one by one.
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
    """Where the blocks lie. text: dimension of the encoder. learned: columns of the head that serves, 0 without."""

    text: int
    learned: int = 0

    @property
    def dim(self) -> int:
        """Zeros fill up to a multiple of LANES."""
        return -(-(self.text + self.learned + 2 * PRIOR) // LANES) * LANES

    @property
    def of_head(self) -> slice:
        """The columns of the learned block."""
        return slice(self.text, self.text + self.learned)

    def prior(self, epoch: int) -> slice:
        start = self.text + self.learned + PRIOR * (epoch % 2)
        return slice(start, start + PRIOR)

    def item(self, text: Half | None, learned: Half | None = None) -> Half:
        """float16 (dim,) with empty priors."""
        row = np.zeros(self.dim, np.float16)
        if text is not None:
            row[: self.text] = text
        if learned is not None:
            row[self.of_head] = learned
        return row

    def user(
        self, text: Half | None, popularity: float, freshness: float, epoch: int, learned: Half | None = None
    ) -> Half:
        """float16 (dim,): the text side, the learned side, and the weights of the two priors in the columns of
        `epoch`."""
        row = self.item(text, learned)
        row[self.prior(epoch)] = (popularity, freshness)
        return row
