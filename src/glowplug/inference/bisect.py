"""One bad text must not take its batch with it: a failure is narrowed down to the texts that cause it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glowplug.errors import GlowplugError, ModelRejected, ModelUnavailable, shown
from glowplug.inference.encoder import Kind, TextEncoder

PROBE = "A short sentence that every model can read."  # it fails only where the model itself does

Outcome = NDArray[np.float32] | ModelRejected


def encode_each(encoder: TextEncoder, texts: Sequence[str], kind: Kind) -> list[Outcome]:
    """For each text, in order, its vector (dim,) or why the model cannot encode it.

    A call that raises and a row that is not finite are failures alike; a batch that fails is halved, so that
    one poison text in n costs 2 log2(n) more passes. Raises ModelUnavailable when a text known to be good fails
    too: then it is the model, and no text is to blame. Errors of ours (Recoverable, Fatal) pass through.
    """
    outcomes: dict[int, Outcome] = {}
    waiting = [list(range(len(texts)))] if texts else []
    is_probed = False
    while waiting:
        batch = waiting.pop()
        rows, cause = _try(encoder, [texts[at] for at in batch], kind)
        if rows is not None:
            outcomes |= {at: row for at, row in zip(batch, rows, strict=True) if np.isfinite(row).all()}
        failed = [at for at in batch if at not in outcomes]
        if len(batch) == 1 and failed:
            if not is_probed:
                _probe(encoder, kind, cause)
                is_probed = True
            outcomes[batch[0]] = _rejected(texts[batch[0]], cause)
        elif 0 < len(failed) < len(batch):
            waiting.append(failed)
        elif failed:
            middle = len(failed) // 2
            waiting += [failed[middle:], failed[:middle]]
    return [outcomes[at] for at in range(len(texts))]


def _try(
    encoder: TextEncoder, texts: Sequence[str], kind: Kind
) -> tuple[NDArray[np.float32] | None, Exception | None]:
    try:
        return encoder.encode(texts, kind), None
    except GlowplugError:
        raise
    except Exception as error:  # noqa: BLE001  a model's libraries raise whatever they like on a text they dislike
        return None, error


def _probe(encoder: TextEncoder, kind: Kind, cause: Exception | None) -> None:
    rows, error = _try(encoder, [PROBE], kind)
    if rows is None or not np.isfinite(rows).all():
        reason = error or cause or "its vectors are not finite numbers"
        raise ModelUnavailable(
            f"the encoder {encoder.fingerprint} fails on every text ({shown(str(reason))}); see its device's memory"
        ) from error


def _rejected(text: str, cause: Exception | None) -> ModelRejected:
    """Without the text, which may be personal: the dead letter carries the original bytes anyway."""
    reason = shown(f"{type(cause).__name__}: {cause}") if cause else "its vector is not finite"
    return ModelRejected(f"the encoder fails on this text of {len(text)} characters and on no other ({reason})")
