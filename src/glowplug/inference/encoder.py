"""The seam to sentence encoders: texts in, unit vectors out, and a fingerprint that says what made them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from glowplug.errors import BadSettings
from glowplug.inference.threads import wait_passively
from glowplug.settings import EncoderSettings

Vectors = NDArray[np.float32]
Kind = Literal["item", "user"]  # item: the model's passage or document prompt; user: its query prompt
KINDS: tuple[Kind, ...] = ("item", "user")
HASH_CHARS = 12  # 48 bits: two encoders of one shop never collide, and a person can still compare them


class TextEncoder(Protocol):
    """fingerprint: what made a vector: weights, pooling, prompts, dim, normalisation, centring. Vectors of
    different fingerprints are never compared. dim: columns of every vector."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def dim(self) -> int: ...

    def encode(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """float32 (len(texts), dim), rows of unit length in the order of `texts`; no texts: (0, dim).

        A text longer than the model reads is cut. An empty text is the caller's error. A row that the model
        could not compute is NaN, or the whole call raises: `bisect.encode_each` tells the two apart.
        """
        ...


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """What one forward pass takes. rows: positions in the caller's texts; tokens: ids, as many as rows."""

    kind: Kind
    rows: tuple[int, ...]
    tokens: tuple[Sequence[int], ...]


# Padded tokens in a pass that goes behind others. Most of a short pass is the same for all (two cores: 31 ms for 32
# tokens, 35 for 64, 41 for 128), and it begins only where no user is under way: so profiles take three quarters of
# the time that passes of 32 took, and whoever comes meanwhile waits some milliseconds longer.
BEHIND_TOKENS = 96


class StagedEncoder(TextEncoder, Protocol):
    """An encoder cut where threads can share it: only `forward` needs the model to itself.

    behind_tokens: padded tokens in one `forward` of work that nobody waits for, while others wait for the next.
    """

    @property
    def behind_tokens(self) -> int: ...

    def tokenise(self, texts: Sequence[str], kind: Kind) -> Sequence[TokenBatch]:
        """All texts, prompts included, as batches within the token budget."""
        ...

    def forward(self, batch: TokenBatch) -> Vectors:
        """float32 (len(batch.rows), width): pooled, not yet finished."""
        ...

    def finish(self, pooled: Vectors, kind: Kind) -> Vectors:
        """float32 (n, dim): cut, centred and of unit length."""
        ...


def encode_in_stages(encoder: StagedEncoder, texts: Sequence[str], kind: Kind) -> Vectors:
    """`encode` in terms of the three stages."""
    out = np.empty((len(texts), encoder.dim), dtype=np.float32)
    for batch in encoder.tokenise(texts, kind):
        out[list(batch.rows)] = encoder.finish(encoder.forward(batch), kind)
    return out


def unit(rows: NDArray[np.floating]) -> Vectors:
    """float32 (n, dim): `rows` scaled to length 1. A row without a direction (zero, not finite) becomes NaN."""
    wide = rows.astype(np.float64)
    norms = np.sqrt(np.einsum("nd,nd->n", wide, wide))
    norms[~(norms > 0) | ~np.isfinite(norms)] = np.nan
    scaled: Vectors = (wide / norms[:, None]).astype(np.float32)
    return scaled


def fingerprint(name: str, parts: Mapping[str, object]) -> str:
    """`name:` and a hash of everything that bends a vector, the same in every process and on every machine."""
    digest = hashlib.sha256()
    for key in sorted(parts):
        digest.update(f"{key}={parts[key]!r}\n".encode())
    return f"{name}:{digest.hexdigest()[:HASH_CHARS]}"


def load(settings: EncoderSettings) -> StagedEncoder:
    """The encoder that the settings name.

    Raises ModelMissing when its package, folder or weights are not there, BadSettings when a setting does not
    fit it, Unreachable when its server does not answer.
    """
    # Imported here: torch takes seconds to load, and neither the fake nor `glowplug --help` needs it.
    if settings.model == "fake":
        from glowplug.inference.fake import DIM, FakeEncoder

        return FakeEncoder(dim=settings.dim or DIM)
    if not settings.model.strip():
        raise BadSettings("encoder.model is empty; say small, minilm, a hub id, a folder or remote")
    wait_passively()
    if settings.model == "remote":
        from glowplug.inference.remote_encoder import RemoteEncoder

        return RemoteEncoder(settings)
    from glowplug.inference.sources import locate
    from glowplug.inference.transformers_encoder import TransformersEncoder

    return TransformersEncoder(locate(settings), settings)
