"""One profile model for all threads of a process: a call at a time, users before items."""

from __future__ import annotations

from collections.abc import Sequence

from glowplug.errors import ModelRejected
from glowplug.inference.encoder import TextEncoder
from glowplug.inference.turnstile import Turnstile
from glowplug.profiles.choice import in_force
from glowplug.profiles.model import Inferred, ProfileModel, Subject, load
from glowplug.settings import Settings

SHARING = frozenset({"generate", "endpoint"})  # they take calls of many threads together, and gain by it
PATIENCE = 8  # calls for users in a row before one for items goes between


class InTurns:
    """A ProfileModel. All subjects of a call are of one kind."""

    def __init__(self, model: ProfileModel) -> None:
        self._model = model
        self._turnstile = Turnstile(PATIENCE)
        self.fingerprint = model.fingerprint

    def infer(self, subjects: Sequence[Subject]) -> list[Inferred | ModelRejected]:
        rank = 1 if any(subject.kind == "item" for subject in subjects) else 0
        with self._turnstile.turn(rank):
            return self._model.infer(subjects)


def load_model(settings: Settings, encoder: TextEncoder) -> ProfileModel | None:
    """The model that the settings name or choose, for as many threads as like; None where they say `off`.

    encoder: for a model that reads by sentence vectors. Raises ModelMissing, BadSettings.
    """
    settings = in_force(settings)
    model = load(settings, encoder)
    if model is None or settings.profiles.model in SHARING:
        return model
    return InTurns(model)
