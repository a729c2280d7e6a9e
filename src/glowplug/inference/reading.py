"""Texts to token ids: prompt in front, special tokens from the model alone, cut to the longest that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from glowplug.errors import ModelMissing, shown
from glowplug.inference.encoder import KINDS, Kind
from glowplug.inference.layout import Layout
from glowplug.inference.quiet import quiet
from glowplug.settings import EncoderSettings


class Reader:
    """prompts: what is put before texts of each kind. max_tokens: where texts are cut. padding: a token id.

    Threads may share it: cutting is set once, and never per call as transformers' own tokenizers do.
    """

    def __init__(self, folder: Path, layout: Layout, settings: EncoderSettings, positions: int | None) -> None:
        tokenizer = _load(folder / layout.transformer)
        self.prompts: dict[Kind, str] = {
            "item": layout.prompts["item"] if settings.item_prompt is None else settings.item_prompt,
            "user": layout.prompts["user"] if settings.user_prompt is None else settings.user_prompt,
        }
        limits = (settings.max_tokens, layout.max_tokens, tokenizer.model_max_length, positions)
        self.max_tokens = min(limit for limit in limits if limit)
        self.padding: int = tokenizer.pad_token_id or 0
        self._lowercases = layout.lowercases
        self._tokens: Tokenizer = tokenizer.backend_tokenizer
        self._tokens.no_padding()
        self._tokens.enable_truncation(self.max_tokens, direction=tokenizer.truncation_side)
        # A user who types "</s>" means five characters; only a prompt of the model's may hold a control token.
        specials = tokenizer.all_special_tokens
        self._tokens.encode_special_tokens = not any(
            token in prompt for token in specials for prompt in self.prompts.values()
        )
        self._prompt_tokens = {kind: self._length(self.prompts[kind], tokenizer.all_special_ids) for kind in KINDS}

    def read(self, texts: Sequence[str], kind: Kind) -> list[list[int]]:
        """Token ids of each text. Characters that UTF-8 does not know (lone surrogates) become question marks."""
        return [encoding.ids for encoding in self._tokens.encode_batch_fast(self._clean(texts, kind))]

    def read_spans(self, texts: Sequence[str], kind: Kind) -> tuple[list[list[int]], list[NDArray[np.int64]]]:
        """Also where each token stands in its text: int64 (tokens, 2); [0, 0) for what is not of the text. Right
        only where lower case has as many characters."""
        prompt = len(self.prompts[kind])
        read = self._tokens.encode_batch(self._clean(texts, kind))
        spans = [np.array(one.offsets, np.int64).reshape(-1, 2) - prompt for one in read]
        clipped = [np.clip(span, 0, len(text)) for span, text in zip(spans, texts, strict=True)]
        return [one.ids for one in read], clipped

    def _clean(self, texts: Sequence[str], kind: Kind) -> list[str]:
        prompt = self.prompts[kind]
        clean = [prompt + text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        return [text.lower() for text in clean] if self._lowercases else clean

    def prompt_tokens(self, kind: Kind) -> int:
        """Leading tokens of every text of this kind that are the prompt's, a start token included."""
        return self._prompt_tokens[kind]

    def _length(self, prompt: str, specials: Sequence[int]) -> int:
        ids = self._tokens.encode(prompt).ids if prompt else []
        return len(ids) - 1 if ids and ids[-1] in specials else len(ids)


def _load(place: Path) -> PreTrainedTokenizerBase:
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelMissing(
            f"the tokenizer in {shown(str(place))} cannot be loaded ({shown(reason)}); fetch the model again"
        ) from error
    if not getattr(tokenizer, "is_fast", False):
        raise ModelMissing(
            f"the model in {shown(str(place))} has no tokenizer.json, which Glowplug needs; choose another model"
        )
    loaded: PreTrainedTokenizerBase = tokenizer
    return loaded
