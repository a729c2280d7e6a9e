"""One text on which a profile model breaks must not take its neighbours with it."""

from __future__ import annotations

from collections.abc import Sequence

from glowplug.errors import GlowplugError, ModelRejected, ModelUnavailable, shown
from glowplug.profiles.model import Inferred, ProfileModel, Subject

PROBE = Subject("user", (("text", "I like books."),))  # a model that fails on it fails on everything


def infer_each(model: ProfileModel, subjects: Sequence[Subject]) -> list[Inferred | ModelRejected]:
    """One outcome each. What fails as a whole is asked one by one, and then with what cannot be at fault.

    Raises what the model raises of ours, and ModelUnavailable where it fails on every text.
    """
    if not subjects:
        return []
    try:
        return model.infer(subjects)
    except GlowplugError:
        raise
    except Exception as error:  # noqa: BLE001  a model's libraries raise whatever they like on a text they dislike
        if len(subjects) > 1:
            return [outcome for subject in subjects for outcome in infer_each(model, [subject])]
        _probe(model, error)
        reason = shown(f"{type(error).__name__}: {error}")
        return [ModelRejected(f"the profile model fails on this text and on no other ({reason})")]


def _probe(model: ProfileModel, cause: Exception) -> None:
    try:
        model.infer([PROBE])
    except GlowplugError:
        raise
    except Exception as error:  # noqa: BLE001  likewise
        raise ModelUnavailable(
            f"the profile model {model.fingerprint} fails on every text ({shown(str(error))})"
        ) from cause
