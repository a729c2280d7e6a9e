"""Which profile model works where `profiles.model` is auto: decided here, and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from glowplug.errors import shown
from glowplug.inference.sources import COMMIT, at_hand
from glowplug.settings import GenerateSettings, ProfileSettings, Settings

log = logging.getLogger("glowplug.profiles")


@dataclass(frozen=True, slots=True)
class Found:
    """What a language model in this process needs, and whether it is here.

    folder: holds the whole of `profiles.generate.model`; None: nothing does, and a hub is not asked.
    """

    has_cuda: bool = False
    has_llguidance: bool = False
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """settings: those in force, never auto. why: one clause; empty where the settings named the model."""

    settings: ProfileSettings
    why: str = ""

    def __str__(self) -> str:
        return f"{self.settings.model} (auto: {self.why})" if self.why else self.settings.model


def in_force(settings: Settings) -> Settings:
    """The same, with a profile model that has a name."""
    return settings.model_copy(update={"profiles": choose(settings.profiles).settings})


def choose(settings: ProfileSettings, look: Callable[[GenerateSettings], Found] | None = None) -> Choice:
    """Of auto a model, and the log told why; of anything else what it names, without a look at this machine."""
    if settings.model != "auto":
        return Choice(settings)
    choice = decide(settings, (look or looked)(settings.generate))
    log.info("profiles.model: %s", choice)
    return choice


def decide(settings: ProfileSettings, found: Found) -> Choice:
    """A language model where it is quick, and nothing has to be fetched; everywhere else the sentence encoder."""
    generate = settings.generate
    if generate.device == "cpu":
        why = "profiles.generate.device is cpu"
    elif not found.has_cuda:
        why = "no CUDA device here"
    elif not found.has_llguidance:
        why = "a CUDA device, but not the package llguidance: pip install 'glowplug[generate]'"
    elif found.folder is None:
        why = f"a CUDA device, but {shown(generate.model)} is not whole in the hub's local cache"
    else:
        # A start fetches nothing, so it takes the revision that is here, whatever the hub has by now.
        revision = found.folder.name if COMMIT.fullmatch(found.folder.name) else generate.revision
        here = generate.model_copy(update={"revision": revision})
        why = f"a CUDA device, and {shown(generate.model)} is here"
        return Choice(settings.model_copy(update={"model": "generate", "generate": here}), why)
    return Choice(settings.model_copy(update={"model": "encoder"}), why)


def looked(generate: GenerateSettings) -> Found:
    """At this machine, no further than needed."""
    # Imported here: it takes seconds, and settings that name a model need no look.
    import torch

    if generate.device == "cpu" or not torch.cuda.is_available():
        return Found()
    if find_spec("llguidance") is None:
        return Found(has_cuda=True)
    return Found(has_cuda=True, has_llguidance=True, folder=at_hand(generate.model, generate.revision))
