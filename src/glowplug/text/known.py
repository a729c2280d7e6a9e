"""What an embedder remembers of the ids it has seen, and when an input is too late. Pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from glowplug.events import Embedding

Maker = tuple[str, str]  # fingerprint of the encoder, hash of the template


@dataclass(frozen=True, slots=True)
class Known:
    """One id.

    version:   of the input applied last.
    made_by:   what made its vectors; None: it is deleted.
    vectors:   bytes of float16 (dim,), by content hash.
    listed_at: of items, so that an update without it does not make an old item fresh.
    """

    version: int
    made_by: Maker | None
    vectors: Mapping[str, bytes] = field(default_factory=dict)
    listed_at: datetime | None = None


def is_stale(known: Known | None, version: int | None, made_by: Maker | None) -> bool:
    """Whether an input is late, or a repeat, where `known` was applied already.

    version: of the input; None: a null value without one, which deletes what is known and is there.
    made_by: what would make its vectors; None: it deletes. The same version with another maker is no repeat.
    """
    if known is None:
        return False
    if version is None:
        return known.made_by is None
    if version == known.version and made_by is not None and known.made_by is not None:
        return made_by == known.made_by
    return version <= known.version


def maker(embedding: Embedding) -> Maker:
    """Interned: a million ids share a handful of these."""
    return sys.intern(embedding.fingerprint), sys.intern(embedding.template)
