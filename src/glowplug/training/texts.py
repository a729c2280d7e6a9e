"""What models read of items in words: one text each, and its vector, kept in a cache by content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from glowplug.events import ItemUpsert
from glowplug.inference.encoder import TextEncoder
from glowplug.settings import DomainSettings
from glowplug.text.hashes import content_hash
from glowplug.text.template import ItemTemplate
from glowplug.training.arrays import Floats
from glowplug.training.dataset import Side
from glowplug.training.fields import DESCRIPTION, TITLE
from glowplug.training.whole import whole

ENCODED_AT_ONCE = 512  # progress is shown, and what is done is kept, after each
Progress = Callable[[str], None]


def item_texts(side: Side, domain: DomainSettings | None = None) -> list[str]:
    """One text an item, by the template of the domain, as the item embedder makes it of the item's event. Never
    empty: an item that says nothing is its id."""
    template = ItemTemplate("default", domain or DomainSettings())
    texts = []
    for at, one in enumerate(side.ids):
        said: dict[str, Any] = {TITLE: "", DESCRIPTION: ""}
        stated: dict[str, Any] = {}
        for field in side.fields:
            value = field.values[at]
            if value is not None:
                (said if field.name in said else stated)[field.name] = value
        texts.append(template.text(ItemUpsert.model_construct(**said, attributes=stated)) or one)
    return texts


def encoded(texts: list[str], encoder: TextEncoder, cache: Path, say: Progress) -> Floats:
    """float32 (texts, dim), unit rows. What was computed before, for any data set, comes from `cache`."""
    folder = cache / "evaluated" / encoder.fingerprint.replace(":", "-")
    keys = [content_hash([text]) for text in texts]
    out = np.empty((len(texts), encoder.dim), np.float32)
    known = _kept(folder)
    missing: dict[str, str] = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    todo = list(missing.items())
    for start in range(0, len(todo), ENCODED_AT_ONCE):
        part = todo[start : start + ENCODED_AT_ONCE]
        vectors = encoder.encode([text for _, text in part], "item")
        fresh = {key: np.array(vector) for (key, _), vector in zip(part, vectors, strict=True)}
        _keep(folder, fresh)
        known |= fresh
        say(f"texts encoded: {min(start + ENCODED_AT_ONCE, len(todo)):,} of {len(todo):,}")
    for at, key in enumerate(keys):
        out[at] = known[key]
    return np.nan_to_num(out)


def _kept(folder: Path) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for path in sorted(folder.glob("*.safetensors")):
        part = load_file(path)
        keys = bytes(part["keys"]).decode().split()
        found |= dict(zip(keys, part["vectors"], strict=True))
    return found


def _keep(folder: Path, fresh: dict[str, Floats]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    keys = np.frombuffer("\n".join(fresh).encode(), np.uint8)
    with whole(folder / f"{content_hash(fresh)}.safetensors") as draft:
        save_file({"keys": keys, "vectors": np.stack(list(fresh.values()))}, draft)
