"""Trains the tagger of the encoder's profile model: which tokens name something, and what is made of it."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from bench.low_rank import adapt
from bench.profile_lessons import IGNORED, Lesson
from glowplug.errors import BadSettings
from glowplug.inference.adapter import Adapter
from glowplug.inference.layout import read_layout
from glowplug.inference.merged import beside
from glowplug.inference.network import Network, load_network
from glowplug.inference.reading import Reader
from glowplug.inference.sources import locate
from glowplug.profiles.tags import CLASSES
from glowplug.settings import load as load_settings

BLOCK = re.compile(r"\.layers?\.\d+\.|\.h\.\d+\.")  # of a name in BERT, XLM-RoBERTa, Llama, Qwen; GPT-2
RANK, SCALE = 8, 2.0
EPOCHS, RATE, WARM_SHARE = 6, 3e-3, 0.06
BATCH_TOKENS = 1_536
DROPOUT = 0.1
NOTHING_WEIGHT = 0.5  # four tokens of five name nothing
SEED = 0


class Tagger:
    """The encoder's network with an adapter that learns; on the CPU, products in bfloat16."""

    def __init__(self) -> None:
        settings = load_settings().encoder
        source = locate(settings)
        layout = read_layout(source.folder)
        network = load_network(source.folder, layout, torch.device("cpu"), torch.float32)
        self._reader = Reader(source.folder, layout, settings, network.positions)
        model = beside(network.model).requires_grad_(requires_grad=False)
        torch.manual_seed(SEED)
        self._layers = adapt(model, _first_updates(model), SCALE)
        self._network: Network = replace(network, model=model)
        self._head = torch.nn.Linear(network.width, len(CLASSES))
        self._weights = torch.tensor([NOTHING_WEIGHT, *[1.0] * (len(CLASSES) - 1)])

    def train(self, lessons: Sequence[Lesson]) -> None:
        learned = [
            *self._head.parameters(),
            *(p for layer in self._layers.values() for p in (layer.down, layer.up)),
        ]
        optimiser = torch.optim.AdamW(learned, lr=RATE, weight_decay=0.01)
        read, spans = self._reader.read_spans([lesson.field.shown for lesson in lessons], "user")
        targets = [_targets(lesson, span) for lesson, span in zip(lessons, spans, strict=True)]
        rng = random.Random(SEED)
        total = EPOCHS * len(list(_batches([len(ids) for ids in read], rng)))
        self._network.model.train()
        step, started = 0, time.perf_counter()
        for epoch in range(EPOCHS):
            losses = []
            for batch in _batches([len(ids) for ids in read], rng):
                for group in optimiser.param_groups:
                    group["lr"] = RATE * min(1.0, (step + 1) / (WARM_SHARE * total)) * max(0.02, 1 - step / total)
                weights = torch.tensor([lessons[at].weight for at in batch])
                loss = self._loss([read[at] for at in batch], [targets[at] for at in batch], weights)
                torch.autograd.backward(loss)
                torch.nn.utils.clip_grad_norm_(learned, 1.0)
                optimiser.step()
                optimiser.zero_grad()
                step += 1
                losses.append(float(loss.detach()))
            print(f"epoch {epoch}: loss {np.mean(losses):.4f}, {time.perf_counter() - started:.0f} s", flush=True)

    def _loss(
        self, read: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], weights: torch.Tensor
    ) -> torch.Tensor:
        ids, wanted = _padded(read, self._reader.padding), _padded(targets, IGNORED)
        lengths = torch.tensor([len(row) for row in read])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self._network.hidden(ids, lengths)
            logits = self._head(functional.dropout(hidden, DROPOUT))
        each = functional.cross_entropy(
            logits.float().transpose(1, 2), wanted, weight=self._weights, ignore_index=IGNORED, reduction="none"
        )
        counted = (wanted != IGNORED) * weights[:, None] * self._weights[wanted.clamp(min=0)]
        return (each * weights[:, None]).sum() / counted.sum()

    def adapter(self, encoder: str) -> Adapter:
        updates = {name: (array_of(layer.down), array_of(layer.up)) for name, layer in self._layers.items()}
        return Adapter(encoder, CLASSES, SCALE, updates, array_of(self._head.weight), array_of(self._head.bias))


def _first_updates(model: torch.nn.Module) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Of the linear layers of its blocks: down at random, up at zero, which changes nothing (LoRA, section 4.1)."""
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and BLOCK.search(name)
    }
    if not layers:
        raise BadSettings("encoder.model has no blocks of linear layers under a name that is known here")
    return {
        name: (
            torch.randn(RANK, layer.in_features) / math.sqrt(layer.in_features),
            torch.zeros(layer.out_features, RANK),
        )
        for name, layer in layers.items()
    }


def _targets(lesson: Lesson, spans: NDArray[np.int64]) -> list[int]:
    out = []
    for start, end in spans.tolist():
        found = IGNORED if end <= start else 0
        while start < end and lesson.field.shown[start].isspace():
            start += 1
        for one, other, target in lesson.targets:
            if end > start and start < other and one < end:
                found = target
        out.append(found)
    return out


def _batches(lengths: Sequence[int], rng: random.Random) -> Iterator[list[int]]:
    """Of about one length each, in an order by chance."""
    order = sorted(range(len(lengths)), key=lambda at: lengths[at] + 4 * rng.random())
    batches: list[list[int]] = [[]]
    for at in order:
        if batches[-1] and lengths[at] * (len(batches[-1]) + 1) > BATCH_TOKENS:
            batches.append([])
        batches[-1].append(at)
    rng.shuffle(batches)
    yield from batches


def _padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def array_of(tensor: torch.Tensor) -> NDArray[np.float32]:
    out: NDArray[np.float32] = tensor.detach().float().numpy()
    return out


def trained(lessons: Sequence[Lesson], encoder: str) -> Adapter:
    """encoder: its fingerprint."""
    tagger = Tagger()
    tagger.train(lessons)
    return tagger.adapter(encoder)
