"""The learned block for items: from what is known of an item to where behaviour would put it.

A user's vector is their row of the behaviour's factors (factors.py). The vector of an item that users met is its
row; that of a cold one is kernel ridge regression (Saunders et al. 1998) from its channels (channels.py) to the
rows: k(item, landmarks) times one matrix. So a new item costs one small product, and a score is one inner product.
Targets are divided by |F_i|^gamma: else the most liked items alone would be fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from glowplug.training.arrays import Floats, Indices, Wide
from glowplug.training.channels import Channel, kernel
from glowplug.training.factors import Behaviour, Factors, summed
from glowplug.training.tuning import Choice
from glowplug.training.vectors import Rounding, Served, rounding, served

# Items whose kernel is solved exactly; of more, as many are drawn as landmarks (Nyström; Williams & Seeger 2001).
LANDMARKS = 3_000
BLOCK = 4_096  # cold items projected at once


@dataclass(frozen=True, slots=True)
class Head:
    """What serving needs of a cold item: its vector is exp(-sum of weight x distance to each landmark) @ matrix.

    landmarks: int64, items of the data set. weights: by channel. matrix: float32 (landmarks, rank)."""

    landmarks: Indices
    weights: Mapping[str, float]
    matrix: Floats

    def project(self, items: Indices, channels: Sequence[Channel]) -> Floats:
        """float32 (items, rank); in float64 until then, so that an item has the same bits alone and among
        others."""
        kept = [(one, self.weights[one.name]) for one in channels if self.weights[one.name]]
        out = np.empty((len(items), self.matrix.shape[1]), np.float32)
        for at in range(0, len(items), BLOCK):
            rows = items[at : at + BLOCK]
            distances = ((weight, one.distance(rows, self.landmarks)) for one, weight in kept)
            out[at : at + BLOCK] = kernel(distances, (len(rows), len(self.landmarks))) @ self.matrix.astype(
                np.float64
            )
        return out


def fitted(behaviour: Behaviour, channels: Sequence[Channel], choice: Choice) -> tuple[Factors, Head]:
    """Vectors of all users and items of the data set (cold ones projected), and the head that projects."""
    factors = targets(behaviour, choice)
    landmarks = landmarks_of(behaviour, np.random.default_rng(0), LANDMARKS)
    matrix = projection(behaviour, channels, choice, landmarks, factors.items)
    head = Head(landmarks, {channel.name: choice[channel.name] for channel in channels}, matrix)
    return projected(factors, head, behaviour, channels), head


def projected(factors: Factors, head: Head, behaviour: Behaviour, channels: Sequence[Channel]) -> Factors:
    """The factors, with the rows of items that were not trained on as the head places them."""
    return Factors(factors.users, placed(factors.items, head, behaviour, channels), factors.inputs)


def placed(rows: Floats, head: Head, behaviour: Behaviour, channels: Sequence[Channel]) -> Floats:
    """float32 (items, d): `rows`, those of items that were not trained on as the head places them."""
    out = rows.copy()
    cold = np.setdiff1d(np.arange(len(out)), trained_items(behaviour))
    out[cold] = head.project(cold, channels)
    return out


def projection(
    behaviour: Behaviour, channels: Sequence[Channel], choice: Choice, landmarks: Indices, rows: Floats
) -> Floats:
    """float32 (landmarks, d): k(item, landmarks) @ it comes closest to `rows` (items, d) over the trained items."""
    met = trained_items(behaviour)
    weights = {channel.name: choice[channel.name] for channel in channels}
    among = _kernel(landmarks, landmarks, weights, channels)
    if len(landmarks) == len(met):
        return ridge_solved(among, rows[met], choice["ridge"])
    # Squared, a kernel of near twins is too near to singular for float32.
    gram, right = choice["ridge"] * among.astype(np.float64), np.zeros((len(landmarks), rows.shape[1]))
    for at in range(0, len(met), BLOCK):
        part = _kernel(met[at : at + BLOCK], landmarks, weights, channels).astype(np.float64)
        gram += part.T @ part
        right += part.T @ rows[met[at : at + BLOCK]]
    return ridge_solved(gram, right, 1e-6 * float(gram.diagonal().mean()))


def with_profile(factors: Factors, behaviour: Behaviour, vectors: Floats, choice: Choice) -> Factors:
    """The block, and beside it the whitened profile, `profile` times as loud: on sparse data it can carry it all.

    A user's part is (X'X + ridge I)^-1 X' Y_u over the trained items' text vectors X, an item's part its text
    vector: ridge regression of the smoothed behaviour on the text. The text block has that vector already.
    """
    if not choice["profile"]:
        return factors
    met = trained_items(behaviour)
    inputs = profile_inputs(behaviour, vectors, choice)
    matrix = behaviour.data.matrix(behaviour.train, choice["weak"])
    users = summed(matrix, inputs)
    loud = (
        mean_length(factors.users)
        * mean_length(factors.items[met])
        / max(mean_length(users) * mean_length(vectors[met]), 1e-12)
    )
    inputs = (choice["profile"] * loud * inputs).astype(np.float32)
    return Factors(
        np.hstack([factors.users, summed(matrix, inputs)]),
        np.hstack([factors.items, vectors]),
        np.hstack([factors.inputs, inputs]),
    )


def profile_inputs(behaviour: Behaviour, vectors: Floats, choice: Choice) -> Floats:
    """float32 (items, dim): what an interaction with each adds to a profile: X' Y_u is linear in them."""
    texts = vectors[trained_items(behaviour)]
    return whitened(smoothed_texts(behaviour, vectors, choice), texts.T @ texts, choice)


def smoothed_texts(behaviour: Behaviour, vectors: Floats, choice: Choice) -> Floats:
    """float32 (items, dim): what an interaction with each adds to X' Y_u."""
    texts = vectors.copy()
    texts[np.setdiff1d(np.arange(len(vectors)), trained_items(behaviour))] = 0
    return behaviour.spread(texts, choice["weak"], choice["ease"], choice["smoothing"])


def whitened(rows: Floats, gram: Floats, choice: Choice) -> Floats:
    """float32 (any, dim): each row times (gram + ridge I)^-1, gram being X'X of the trained items' texts."""
    return ridge_solved(gram, rows.T, choice["profile ridge"] * float(gram.diagonal().mean())).T


def mean_length(rows: Floats) -> float:
    """Root mean square of the rows' lengths."""
    return float(np.sqrt((rows**2).sum(axis=1).mean()))


def block(factors: Factors, by: Rounding | None = None) -> Served:
    return served(factors.users, factors.items, by)


def rounding_of(factors: Factors, behaviour: Behaviour) -> Rounding:
    """Of the users and items that were trained on, so that whoever comes later changes nothing."""
    met = np.unique(behaviour.data.user[behaviour.train])
    return rounding(factors.users[met], factors.items[trained_items(behaviour)])


def targets(behaviour: Behaviour, choice: Choice) -> Factors:
    """The behaviour's factors cut to `rank`, items' divided by their length to the power of `gamma`."""
    whole = behaviour.factors(choice["weak"], choice["ease"], choice["smoothing"])
    width = int(choice["rank"])
    items = whole.items[:, :width]
    lengths = np.linalg.norm(items, axis=1, keepdims=True)
    # An item that hardly anybody met has noise for a direction: a part of the mean length is added before dividing.
    damped = lengths + 0.05 * lengths.mean()
    scaled = (items / np.maximum(damped, 1e-9) ** choice["gamma"]).astype(np.float32)
    return Factors(whole.users[:, :width], scaled, whole.inputs[:, :width])


def _kernel(rows: Indices, columns: Indices, weights: Mapping[str, float], channels: Sequence[Channel]) -> Floats:
    exponent = np.zeros((len(rows), len(columns)), np.float32)
    for channel in channels:
        if weights[channel.name]:
            exponent -= np.float32(weights[channel.name]) * channel.distance(rows, columns)
    return np.exp(exponent, out=exponent)


def ridge_solved(kernel: Floats | Wide, right: Floats | Wide, ridge: float) -> Floats:
    """(kernel + ridge I)^-1 right, float32, solved in float64."""
    matrix = kernel.astype(np.float64)
    matrix[np.diag_indices_from(matrix)] += ridge
    factor = linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    solved: Floats = linalg.cho_solve(factor, right, check_finite=False).astype(np.float32)
    return solved


def trained_items(behaviour: Behaviour) -> Indices:
    found: Indices = np.unique(behaviour.data.item[behaviour.train])
    return found


def landmarks_of(behaviour: Behaviour, rng: np.random.Generator, most: int) -> Indices:
    """All trained items; where they are more than LANDMARKS, `most` of them, drawn."""
    met = trained_items(behaviour)
    return met if len(met) <= LANDMARKS else np.sort(rng.choice(met, most, replace=False))
