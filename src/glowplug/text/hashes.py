"""Hashes that travel with a vector, so that nobody embeds the same text twice or mistakes one for another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

TEMPLATE_CHARS = 12  # 48 bits: a shop has a handful of templates, and a person can compare them
CONTENT_BYTES = 16  # 128 bits: a billion texts collide with probability 1e-21


def template_hash(*parts: object) -> str:
    """Hexadecimal hash of JSON-able `parts`, the same in every process."""
    plain = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()[:TEMPLATE_CHARS]


def content_hash(texts: Iterable[str]) -> str:
    """Hexadecimal hash of `texts` in order; one text is not the same as its two halves."""
    digest = hashlib.blake2b(digest_size=CONTENT_BYTES)
    for text in texts:
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()
