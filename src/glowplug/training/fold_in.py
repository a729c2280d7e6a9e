"""The learned block for users: what is known of somebody new, folded in as a Gaussian.

A user's likes are modelled as p + L z with z ~ N(m, I). p is each item's popularity among the training users,
interactions that are no yes counting `weak`. The rows of L hold the principal directions of their behaviour, scaled
so that L L' is its covariance, and, `content` times, the items' text vectors, so that items which nobody liked
together still inform each other. m comes from the user's attributes: kernel ridge regression (Saunders et al. 1998)
to the z of training users, with ridge `prior`.

After k likes z has the posterior mean m + L_s' (L_s L_s' + D)^-1 (1 - p_s - L_s m), where D is the variance that L
leaves out, plus `noise` (Rasmussen & Williams 2006, eq. 2.23, for a linear kernel), which held-out users calibrate
(calibration.py). The score p + L z is one inner product of [p | L] and [1 | z], and k = 0 is the same formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glowplug.index.exact import Scores, exact_scores
from glowplug.training.arrays import Floats, Indices, Sparse, Wide
from glowplug.training.calibration import Calibration
from glowplug.training.channels import Channel, kernel
from glowplug.training.ranked import Scorer
from glowplug.training.tasks import Task
from glowplug.training.vectors import Rounding, rounding

FOLDED = 50  # latest likes that are folded in, as many as ranking.history keeps


@dataclass(frozen=True, slots=True)
class UserModel:
    """popularity: float32 (items,). directions: float32 (items, d). noise: float64 (items,), what a like of each
    leaves uncertain. landmarks: int64, users. places: float32 (landmarks, d), their z. pull: float64
    (landmarks, d): what a user's kernel is multiplied with to be m. choice: of hyperparameters."""

    popularity: Floats
    directions: Floats
    noise: Wide
    landmarks: Indices
    places: Floats
    pull: Wide
    calibration: Calibration
    choice: Mapping[str, float]

    @property
    def items(self) -> Floats:
        """float32 (items, 1 + d): [p | L]."""
        return np.hstack([self.popularity[:, None], self.directions])

    def prior(self, users: Indices, channels: Sequence[Channel]) -> Wide:
        """float64 (users, d): m, from their attributes."""
        found: Wide = near(users, self.landmarks, channels, self.choice) @ self.pull
        return found

    def posterior(self, prior: Wide, known: Sparse) -> Wide:
        """float64 (users, d), not calibrated. known: csr (users, items), the likes to fold in."""
        places = prior.copy()
        lengths = np.minimum(np.diff(known.indptr), FOLDED)
        for length in np.unique(lengths[lengths > 0]):
            rows = np.flatnonzero(lengths == length)
            picks = known.indices[known.indptr[rows][:, None] + np.arange(length)]
            places[rows] = folded(prior[rows], self.popularity[picks], self.directions[picks], self.noise[picks])
        return places

    def placed(self, prior: Wide, known: Sparse) -> Wide:
        """float64 (users, d): the posterior, calibrated."""
        return self.calibration.placed(self.posterior(prior, known), np.diff(known.indptr))

    @property
    def rounding(self) -> Rounding:
        """Of the users and items that were trained on."""
        return rounding(with_one(self.places), self.items)


def fold_in(model: UserModel, channels: Sequence[Channel], items: Floats | None = None) -> Scorer:
    """The task's users by their attributes and what is known of them, as served. items: float32 (items, 1 + d), in
    place of the model's own, which knows nothing of those that were not trained on."""
    by = model.rounding
    served_items = by.items(model.items if items is None else items)

    def scores(task: Task, rows: slice) -> Scores:
        places = model.placed(model.prior(task.users[rows], channels), task.known[rows])
        return exact_scores(by.users(with_one(places)), served_items[task.items])

    return scores


def near(users: Indices, landmarks: Indices, channels: Sequence[Channel], weights: Mapping[str, float]) -> Wide:
    """float64 (users, landmarks): the kernel of their attributes."""
    kept = [(one, weights[one.name]) for one in channels if weights[one.name]]
    return kernel(((weight, one.distance(users, landmarks)) for one, weight in kept), (len(users), len(landmarks)))


def folded(prior: Wide, popularity: Floats | Wide, sides: Floats | Wide, noise: Wide) -> Wide:
    """The posterior means, float64 (users, d), of users with k likes each.

    prior: (users, d). popularity, noise: (users, k), and sides: (users, k, d), of what they like.
    """
    length = popularity.shape[1]
    sides = sides.astype(np.float64)
    surprise = 1 - popularity - np.einsum("nkd,nd->nk", sides, prior)
    matrix = np.einsum("nkd,njd->nkj", sides, sides)
    matrix[:, np.arange(length), np.arange(length)] += noise
    weights = np.linalg.solve(matrix, surprise[..., None])[..., 0]
    found: Wide = prior + np.einsum("nk,nkd->nd", weights, sides)
    return found


def with_one(places: Floats | Wide) -> Floats | Wide:
    """[1 | places]."""
    return np.hstack([np.ones((len(places), 1), places.dtype), places])
