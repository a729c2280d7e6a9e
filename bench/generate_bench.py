"""How fast a language model answers waiting users: ours, all together, against `model.generate()` one by one.

Same model, same prompts, same grammar, greedy, in one run. A token of an answer is a token, also where the grammar
leaves no choice: ours takes such tokens without a pass of the model, `generate()` has to make one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LogitsProcessor, LogitsProcessorList

from bench.machine import write
from bench.profiles.labelled import load as load_labels
from glowplug.errors import ModelRejected
from glowplug.inference.devices import device_of, dtype_of
from glowplug.inference.generation import Answer, Generation, Request, Ticket
from glowplug.inference.grammar import Grammars
from glowplug.inference.grammar import Path as Way
from glowplug.inference.language_model import LanguageModel
from glowplug.inference.quiet import quiet
from glowplug.profiles.generate_model import request
from glowplug.profiles.legible import legible
from glowplug.profiles.model import Subject
from glowplug.settings import EncoderSettings

SEED_TEXT = "I like books."  # warms everything up; nobody is measured on it


@dataclass(frozen=True, slots=True)
class Measured:
    name: str
    seconds: float
    answers: tuple[Answer, ...]

    @property
    def tokens(self) -> int:
        return sum(answer.tokens for answer in self.answers)

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.seconds


class Following(LogitsProcessor):
    """The grammar, as transformers has it: called before each token, with all tokens so far."""

    def __init__(self, grammars: Grammars, way: Way, prompt: int) -> None:
        self._grammars, self._way, self._read = grammars, way, prompt

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        for token in input_ids[0, self._read :].tolist():
            self._way.take(token)
        self._read = input_ids.shape[1]
        allowed = self._grammars.allowed([self._way], scores.shape[1], scores.device)
        masked: torch.FloatTensor = scores.masked_fill(~allowed, -torch.inf)  # type: ignore[assignment]
        return masked


def together(model: LanguageModel, requests: Sequence[Request], rows: int, tokens: int) -> Measured:
    """Ours. The conversation before the text is computed in the warm-up, as in a consumer that runs."""
    generation = Generation(model, rows=rows, cache_tokens=1_000_000, answer_tokens=tokens)
    _answers(generation, [warm_up()])
    started = time.perf_counter()
    answers = _answers(generation, requests)
    name = f"ours, {rows} at once" if rows > 1 else "ours, one by one"
    return Measured(name, time.perf_counter() - started, answers)


def one_by_one(model: LanguageModel, folder: Path, requests: Sequence[Request], tokens: int) -> Measured:
    """transformers' generate(), with its own attention and its own cache."""
    with quiet():
        theirs: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=model.dtype, local_files_only=True)
    theirs.eval().to(model.device)
    grammars = Grammars(model.tokenizer, model.vocabulary, model.stops)

    def answer(one: Request) -> Answer:
        before, behind = model.frame(one.messages)
        prompt = torch.tensor([[*before, *model.tokens(one.text), *behind]], device=model.device)
        way = grammars.path(one.grammar)
        out = theirs.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=tokens,
            do_sample=False,
            logits_processor=LogitsProcessorList([Following(grammars, way, prompt.shape[1])]),
            pad_token_id=model.stops[0],
            eos_token_id=list(model.stops),
        )
        said = [token for token in out[0, prompt.shape[1] :].tolist() if token not in model.stops]
        return Answer(model.text(said), len(said), is_cut=len(said) >= tokens)

    answer(warm_up())
    started = time.perf_counter()
    answers = tuple(answer(one) for one in requests)
    return Measured("model.generate(), one by one", time.perf_counter() - started, answers)


def warm_up() -> Request:
    subject = Subject("user", (("text", SEED_TEXT),))
    return request(subject, legible(subject))


def _answers(generation: Generation, requests: Sequence[Request]) -> tuple[Answer, ...]:
    tickets = [Ticket(one) for one in requests]
    for ticket in tickets:
        generation.put(ticket)
    while generation.step():
        pass
    answers = []
    for ticket in tickets:
        answer = ticket.done.result()
        if isinstance(answer, ModelRejected):
            raise answer
        answers.append(answer)
    return tuple(answers)


def users(count: int) -> list[Request]:
    """Bios of the half for tuning that have two hundred characters or less, the first so many."""
    bios = [bio.text for bio in load_labels().bios if bio.half == "tune" and 20 <= len(bio.text) <= 200]
    subjects = [Subject("user", (("text", text),)) for text in bios]
    return [request(one, seen) for one in subjects if (seen := legible(one)).says_something][:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a folder; default: SmolLM2-135M, as in the tests")
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=120, help="of an answer, at most")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folder = arguments.model or _smollm2()
    settings = EncoderSettings(device=arguments.device)
    device = device_of(settings)
    model = LanguageModel(folder, device, dtype_of(settings, device))
    requests = users(arguments.users)
    runs: list[Callable[[], Measured]] = [
        lambda: together(model, requests, len(requests), arguments.tokens),
        lambda: one_by_one(model, folder, requests, arguments.tokens),
        lambda: together(model, requests, 1, arguments.tokens),
    ]
    measured = [run() for run in runs]
    ours, theirs, _ = measured
    same = sum(one.text == other.text for one, other in zip(ours.answers, theirs.answers, strict=True))
    print(f"{folder.name}, {device.type}, {model.dtype}, {torch.get_num_threads()} threads, {len(requests)} users")
    for one in measured:
        print(f"{one.name:32}{one.tokens:7} tokens{one.seconds:9.2f} s{one.tokens_per_s:9.1f} tokens/s")
    factor = ours.tokens_per_s / theirs.tokens_per_s
    print(f"{factor:.1f} times as fast; {same} of {len(requests)} answers are the same")
    if arguments.json:
        figures = {
            "model": folder.name,
            "device": device.type,
            "dtype": str(model.dtype),
            "threads": torch.get_num_threads(),
            "users": len(requests),
            "times_as_fast": round(factor, 2),
            "same_answers": same,
            "runs": [
                {
                    "name": one.name,
                    "tokens": one.tokens,
                    "seconds": round(one.seconds, 3),
                    "tokens_per_s": round(one.tokens_per_s, 1),
                }
                for one in measured
            ],
        }
        write(arguments.json, figures)


def _smollm2() -> Path:
    from tests.support.smollm2 import folder

    return folder()


if __name__ == "__main__":
    main()
