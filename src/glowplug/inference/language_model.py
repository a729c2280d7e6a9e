"""A causal language model of transformers: its weights, its tokens, its chat template."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from safetensors import SafetensorError
from transformers import (
    AttentionInterface,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from glowplug.errors import ModelMissing, shown
from glowplug.inference.quiet import quiet
from glowplug.inference.rows import ATTENTION, Rows, attention

LAYERS = frozenset({"full_attention", "sliding_attention"})  # others keep more of a text than keys and values

HOLE = "\ue000"  # stands in a conversation for the text: a private character, which no legible text has

Message = Mapping[str, str]


class LanguageModel:
    """Not safe to share between threads, but for its tokenising."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        """Raises ModelMissing for what cannot be loaded, or not be run row by row."""
        self.device, self.dtype = device, dtype
        self.model, self.tokenizer = _load(folder, device, dtype)
        config = self.model.config.get_text_config()
        kinds = frozenset(getattr(config, "layer_types", None) or ("full_attention",))
        if not kinds <= LAYERS:
            raise ModelMissing(f"the model in {shown(str(folder))} has layers of kinds that cannot be batched here")
        self._window = _window(config, kinds)
        self._has_kinds = "sliding_attention" in kinds
        self._base = self.model.base_model
        self._head = self.model.get_output_embeddings()
        takes_cache = "cache" in inspect.signature(self._base.forward).parameters  # once past_key_values
        self._cache_name = "cache" if takes_cache else "past_key_values"

        self.vocabulary = int(self._head.weight.shape[0])
        self.positions: int | None = getattr(config, "max_position_embeddings", None)
        self.stops = _stops(self.model, self.tokenizer)
        backend = self.tokenizer.backend_tokenizer
        self._plain = type(backend).from_str(backend.to_str())
        self._plain.no_truncation()
        self._plain.no_padding()
        self._plain.encode_special_tokens = True  # a user who types "<|im_end|>" means ten characters
        self._padding = self.tokenizer.pad_token_id or 0

    def frame(self, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
        """Tokens before and behind HOLE in a conversation. The template is the model's own; thinking aloud is
        switched off where it knows of that."""
        mark = f"mark{secrets.token_hex(8)}"  # templates may strip what is no letter
        marked = [{name: part.replace(HOLE, mark) for name, part in one.items()} for one in messages]
        try:
            whole = self.tokenizer.apply_chat_template(
                marked, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        except (TemplateError, ValueError) as error:
            raise ModelMissing(f"the model's chat template does not do ({shown(str(error))})") from error
        before, _, behind = str(whole).partition(mark)
        return self._special(before), self._special(behind)

    def tokens(self, text: str) -> list[int]:
        """Of a text that is data: no control token comes of it."""
        ids: list[int] = self._plain.encode(
            text.encode("utf-8", "replace").decode("utf-8"), add_special_tokens=False
        ).ids
        return ids

    def text(self, tokens: Sequence[int]) -> str:
        return str(
            self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    @torch.inference_mode()
    def advance(self, rows: Rows, first: int, last: int, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """Reads the next tokens of rows [first, last). float (rows, vocabulary): what may follow each row."""
        counts = [len(ids) for ids in tokens]
        longest = max(counts)
        padded = torch.full((len(tokens), longest), self._padding, dtype=torch.int64)
        for row, ids in enumerate(tokens):
            padded[row, : len(ids)] = torch.tensor(ids, dtype=torch.int64)
        positions, mask = rows.begin(first, last, counts)
        options: dict[str, Any] = {self._cache_name: rows}
        state = self._base(
            input_ids=padded.to(self.device),
            attention_mask=self._masks(mask, positions),
            position_ids=positions,
            use_cache=True,
            **options,
        ).last_hidden_state
        rows.end(counts)
        latest = torch.tensor(counts, device=self.device) - 1
        logits: torch.Tensor = self._head(state[torch.arange(len(counts), device=self.device), latest])
        return logits

    def _masks(self, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        if self._window is None:
            return mask
        columns = torch.arange(mask.shape[-1], device=mask.device)
        near = mask & (columns[None, None, None, :] > positions[:, None, :, None] - self._window)
        return {"full_attention": mask, "sliding_attention": near} if self._has_kinds else near

    def _special(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids


def _load(folder: Path, device: torch.device, dtype: torch.dtype) -> tuple[Any, PreTrainedTokenizerFast]:
    AttentionInterface.register(ATTENTION, attention)
    safe = {"trust_remote_code": False, "local_files_only": True}
    try:
        with quiet():
            config = AutoConfig.from_pretrained(folder, **safe)
            tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
            model = AutoModelForCausalLM.from_pretrained(
                folder, config=config, dtype=dtype, use_safetensors=True, attn_implementation=ATTENTION, **safe
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelMissing(
            f"the language model in {shown(str(folder))} cannot be loaded ({shown(reason)}); choose another, whose "
            "architecture is part of transformers"
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast) or not tokenizer.chat_template:
        raise ModelMissing(
            f"the model in {shown(str(folder))} has no tokenizer.json or no chat template; choose an instruct model"
        )
    loaded: Any = model
    return loaded.eval().to(device), tokenizer


def _window(config: Any, kinds: frozenset[str]) -> int | None:
    window: int | None = getattr(config, "sliding_window", None)
    is_used = getattr(config, "use_sliding_window", True)
    if getattr(config, "layer_types", None):
        return window if "sliding_attention" in kinds else None
    return window if is_used else None


def _stops(model: Any, tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    named = model.generation_config.eos_token_id if model.generation_config else None
    listed = named if isinstance(named, list) else [named]
    stops = dict.fromkeys(stop for stop in (*listed, tokenizer.eos_token_id) if isinstance(stop, int))
    return tuple(stops)
