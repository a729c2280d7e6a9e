"""The seam to classed tokens: texts in; of each of their tokens how probable each class is, and where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from glowplug.inference.adapter import Adapter
from glowplug.inference.encoder import TokenBatch


@dataclass(frozen=True, slots=True)
class TokenClasses:
    """shares: float32 (tokens, classes), rows sum to 1. starts, ends: int64 (tokens,), characters of the text.

    Tokens in order, none of a prompt; white space before a word can be the word's first character."""

    shares: NDArray[np.float32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def of(self, start: int, end: int) -> NDArray[np.float32] | None:
        """(classes,): the mean over the tokens that touch [start, end); None where there are none."""
        touched = (self.starts < end) & (self.ends > start)
        if not touched.any():
            return None
        mean: NDArray[np.float32] = self.shares[touched].mean(axis=0)
        return mean


class TokenClassifier(Protocol):
    """A text longer than the model reads is cut: what lies behind has no tokens."""

    def classify(self, texts: Sequence[str]) -> list[TokenClasses]:
        """One for each text, in order. Not for empty texts."""
        ...


@dataclass(frozen=True, slots=True)
class ReadTexts:
    """spans: of each text int64 (tokens, 2), as the tokens of `batches` lie; a prompt's are empty."""

    batches: Sequence[TokenBatch]
    spans: Sequence[NDArray[np.int64]]


class StagedTokenClassifier(Protocol):
    """Cut as a StagedEncoder is: only `forward` needs the model to itself."""

    def tokenise(self, texts: Sequence[str]) -> ReadTexts: ...

    def forward(self, batch: TokenBatch) -> list[NDArray[np.float32]]:
        """Of each row of the batch float32 (tokens, classes), a prompt's tokens included."""
        ...


@runtime_checkable
class Adaptable(Protocol):
    """An encoder whose network is in this process."""

    def adapted(self, adapter: Adapter) -> StagedTokenClassifier:
        """It costs the memory of the layers that the adapter updates. Its `forward` and the encoder's may be called
        in turn, not at once."""
        ...


def assembled(
    read: ReadTexts, passes: Iterable[tuple[TokenBatch, list[NDArray[np.float32]]]]
) -> list[TokenClasses]:
    """Of each text, from passes in any order. Without the tokens of the prompt."""
    shares: dict[int, NDArray[np.float32]] = {}
    for batch, rows in passes:
        shares |= dict(zip(batch.rows, rows, strict=True))
    out = []
    for at, spans in enumerate(read.spans):
        stands = spans[:, 1] > spans[:, 0]
        out.append(TokenClasses(shares[at][stands], spans[stands, 0], spans[stands, 1]))
    return out


@dataclass(frozen=True, slots=True)
class Unshared:
    """A TokenClassifier whose encoder nobody else uses."""

    classifier: StagedTokenClassifier

    def classify(self, texts: Sequence[str]) -> list[TokenClasses]:
        read = self.classifier.tokenise(texts)
        return assembled(read, ((batch, self.classifier.forward(batch)) for batch in read.batches))
