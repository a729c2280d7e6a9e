"""Which texts share a forward pass: as many padded tokens as the budget allows, few of them padding."""

from __future__ import annotations

from collections.abc import Sequence

# A pass of this many tokens keeps two to eight cores busy; a larger one gains nothing there, and any padding is
# lost. On a GPU the budget alone decides.
CPU_TOKENS = 512
PADDING = 0.1  # share of a batch; past it the next text starts a batch of its own


def token_batches(lengths: Sequence[int], budget: int, enough: int) -> list[list[int]]:
    """Positions in `lengths`, each in exactly one batch, longest first so that the largest pass comes first.

    budget: padded tokens of a batch (count times its longest); a single longer text is a batch by itself.
    enough: padded tokens past which a batch stays open only for texts that need little padding.
    """
    batches: list[list[int]] = []
    longest = tokens = 0
    for position in sorted(range(len(lengths)), key=lambda at: (-lengths[at], at)):
        length = lengths[position]
        padded = longest * (len(batches[-1]) + 1) if batches else 0
        wasted = padded - tokens - length
        is_open = bool(batches) and padded <= budget and (padded <= enough or wasted <= PADDING * padded)
        if is_open:
            batches[-1].append(position)
            tokens += length
        else:
            batches.append([position])
            longest = tokens = length
    return batches
