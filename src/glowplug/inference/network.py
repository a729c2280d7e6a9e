"""A model's weights as something that can be called: token ids in, hidden states out, and what follows pooling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel

from glowplug.errors import ModelMissing, shown
from glowplug.inference.layout import After, Dense, Layout
from glowplug.inference.quiet import quiet

Step = Callable[[torch.Tensor], torch.Tensor]

# Heads that checkpoints of bare encoders lack and that pooling over tokens never reads.
UNUSED = ("pooler.",)


@dataclass(frozen=True, slots=True)
class Network:
    """width: of the finished vector. positions: longest text that it can read; None: not bounded."""

    model: Any
    steps: tuple[Step, ...]
    width: int
    positions: int | None

    def hidden(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(texts, tokens, hidden) of int64 (texts, tokens), padded on the right."""
        mask = (torch.arange(ids.shape[1], device=ids.device)[None, :] < lengths[:, None]).long()
        state: torch.Tensor = self.model(input_ids=ids, attention_mask=mask, **self._options()).last_hidden_state
        return state

    def after(self, pooled: torch.Tensor) -> torch.Tensor:
        """float32 (texts, width)."""
        for step in self.steps:
            pooled = step(pooled)
        return pooled

    def _options(self) -> dict[str, bool]:
        # A decoder would keep keys and values for a next token that never comes.
        return {"use_cache": False} if hasattr(self.model.config, "use_cache") else {}


def load_network(folder: Path, layout: Layout, device: torch.device, dtype: torch.dtype) -> Network:
    """Raises ModelMissing when the folder needs code of its own, is incomplete or cannot be read."""
    place = folder / layout.transformer
    safe = {"trust_remote_code": False, "local_files_only": True}
    try:
        with quiet():
            config = AutoConfig.from_pretrained(place, **safe)
            model, report = AutoModel.from_pretrained(
                place, config=config, dtype=dtype, use_safetensors=True, output_loading_info=True, **safe
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelMissing(_why(place, error)) from error
    if config.is_encoder_decoder:
        raise ModelMissing(
            f"the model in {shown(str(place))} is an encoder-decoder, which Glowplug does not run; "
            "choose an encoder or a decoder"
        )
    missing = sorted(key for key in report["missing_keys"] if not key.startswith(UNUSED))
    if missing:
        raise ModelMissing(
            f"the model in {shown(str(place))} lacks {len(missing)} of its weights ({shown(missing[0])}, …); "
            "fetch it again"
        )
    try:
        steps = tuple(_step(module, folder, device) for module in layout.after)
        pooled = torch.zeros(1, int(config.get_text_config().hidden_size) * len(layout.poolings), device=device)
        for step in steps:
            pooled = step(pooled)
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelMissing(_why(folder, error)) from error
    return Network(model.eval().to(device), steps, pooled.shape[1], _positions(model))


def _positions(model: Any) -> int | None:
    """RoBERTa and its kin count positions from their padding id on, so that the last ones do not exist."""
    config = model.config.get_text_config()
    limit: int | None = getattr(config, "max_position_embeddings", None)
    if limit is None or limit < 1:  # XLNet writes -1 for "no limit"
        return None
    padding = getattr(getattr(model, "embeddings", None), "padding_idx", None)
    return limit if padding is None else limit - padding - 1


def _step(module: After, folder: Path, device: torch.device) -> Step:
    """In float32 whatever the model's dtype: one small product, and the last one before a vector is published."""
    if not isinstance(module, Dense):
        return torch.nn.functional.normalize
    stored = load_file(folder / module.folder / "model.safetensors", device=str(device))
    weight = stored["linear.weight"].float()
    bias = stored["linear.bias"].float() if module.has_bias else None
    activation: torch.nn.Module = getattr(torch.nn, module.activation)()

    def dense(rows: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = activation(torch.nn.functional.linear(rows, weight, bias))
        return out

    return dense


def _why(place: Path, error: Exception) -> str:
    reason = str(error).strip().partition("\n")[0]
    if "trust_remote_code" in str(error):
        return (
            f"the model in {shown(str(place))} needs code from its own folder, which Glowplug never executes; "
            "choose one whose architecture is part of transformers"
        )
    return f"the model in {shown(str(place))} cannot be loaded ({shown(reason)}); fetch it again or choose another"
