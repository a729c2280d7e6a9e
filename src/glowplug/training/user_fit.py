"""The user model: behaviour as a Gaussian, attributes by kernel, calibrated on users held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sparse
from scipy import linalg

from glowplug.training.arrays import Floats, Indices, Mask, Sparse, Wide
from glowplug.training.calibration import Seen, calibrated, none, together
from glowplug.training.channels import Channel
from glowplug.training.dataset import Dataset
from glowplug.training.factors import factorised
from glowplug.training.fold_in import UserModel, near
from glowplug.training.splits import inner_cold_users
from glowplug.training.tasks import Task

LANDMARKS = 2_000  # training users whose attributes speak for a new one; each option tried costs their cube
SPARE_VARIANCE = 1e-4  # share of the mean variance below which nothing is certain, so that no matrix is singular
LEFT_OUT_PARTS = 3  # of the training users, in turn, to calibrate


def fitted(
    data: Dataset, train: Mask, vectors: Floats, channels: Sequence[Channel], choice: Mapping[str, float]
) -> UserModel:
    """train: bool, one an interaction, of the training users. vectors: float32 (items, dim)."""
    return Fits(data, train, vectors, channels).model(choice)


class Fits:
    """What models of one training part share, each part of it computed once."""

    def __init__(self, data: Dataset, train: Mask, vectors: Floats, channels: Sequence[Channel]) -> None:
        self._data, self._train, self._vectors, self._channels = data, train, vectors, channels
        self._users = np.unique(data.user[train & data.positive])
        some = np.arange(len(self._users))
        if len(some) > LANDMARKS:
            some = np.sort(np.random.default_rng(0).choice(some, LANDMARKS, replace=False))
        self._some = some
        self._known: dict[float, tuple[Floats, Floats, Floats, Floats]] = {}
        self._left_out: list[tuple[Fits, tuple[Task, ...]]] | None = None
        self._near: dict[tuple[bytes, tuple[float, ...]], Wide] = {}
        self._pull: dict[tuple[float, ...], Wide] = {}

    def model(self, choice: Mapping[str, float]) -> UserModel:
        plain = self.plain(choice)
        seen = [part for fits, tasks in self._inner() if (part := fits.seen(tasks, choice, plain)) is not None]
        if not seen:
            return plain
        found = calibrated(together(seen), plain.directions.shape[1], choice["trust"])
        return replace(plain, calibration=found)

    def plain(self, choice: Mapping[str, float]) -> UserModel:
        """Not calibrated."""
        popularity, directions, places, variance = self._parts(choice["weak"])
        width = int(choice["rank"])
        directions, places = directions[:, :width], places[self._some, :width]
        residual = np.maximum(variance - (directions**2).sum(axis=1), SPARE_VARIANCE * variance.mean())
        pull = self._pulled(choice)
        if choice["content"]:
            text = choice["content"] * np.sqrt(variance)[:, None] * self._vectors
            directions = np.hstack([directions, text.astype(np.float32)])
            nothing = np.zeros((len(places), text.shape[1]), np.float32)
            places, pull = np.hstack([places, nothing]), np.hstack([pull, nothing])
        whole = float(((directions**2).sum(axis=1) + residual).mean())  # variance of an item
        noise = residual.astype(np.float64) + choice["noise"] * whole
        landmarks = self._users[self._some]
        return UserModel(
            popularity, directions, noise, landmarks, places, pull, none(directions.shape[1]), dict(choice)
        )

    def prior(self, model: UserModel, users: Indices) -> Wide:
        """As the model's own; its kernel is kept, for most options change no weight."""
        key = (users.tobytes(), self._weights(model.choice))
        if key not in self._near:
            self._near = {key: near(users, model.landmarks, self._channels, model.choice)}
        found: Wide = self._near[key] @ model.pull
        return found

    def seen(self, tasks: Sequence[Task], choice: Mapping[str, float], whole: UserModel) -> Seen | None:
        """Users that these fits did not know, along the directions of the model of the `whole` training part."""
        users = tasks[0].users
        if not len(users):
            return None
        model, width = self.plain(choice), int(choice["rank"])
        mine, theirs = (one.directions[:, :width].astype(np.float64) for one in (model, whole))
        sizes = (theirs**2).sum(axis=0)
        along = theirs / np.where(sizes > 0, sizes, 1)  # the directions are orthogonal
        turned, shift = mine.T @ along, (model.popularity.astype(np.float64) - whole.popularity) @ along
        prior = self.prior(model, users)
        at = [model.posterior(prior, task.known)[:, : mine.shape[1]] for task in tasks]
        later = _liked_later(tasks[-1], model.popularity, mine, at[-1]) @ along - whole.popularity @ along
        return Seen(tuple(places @ turned + shift for places in at), later)

    def _inner(self) -> Sequence[tuple[Fits, tuple[Task, ...]]]:
        if self._left_out is None:
            self._left_out = [
                (Fits(self._data, train, self._vectors, self._channels), tasks)
                for train, tasks in inner_cold_users(self._data, self._train, 0, LEFT_OUT_PARTS)
            ]
        return self._left_out

    def _weights(self, choice: Mapping[str, float]) -> tuple[float, ...]:
        return tuple(choice[one.name] for one in self._channels)

    def _pulled(self, choice: Mapping[str, float]) -> Wide:
        """float64 (landmarks, rank): (K + prior I)^-1 z."""
        key = (choice["rank"], choice["weak"], choice["prior"], *self._weights(choice))
        if key not in self._pull:
            landmarks = self._users[self._some]
            among = near(landmarks, landmarks, self._channels, choice)
            among[np.diag_indices_from(among)] += choice["prior"]
            places = self._parts(choice["weak"])[2][self._some, : int(choice["rank"])].astype(np.float64)
            factor = linalg.cho_factor(among, lower=True, overwrite_a=True, check_finite=False)
            self._pull = {key: linalg.cho_solve(factor, places, check_finite=False)}
        return self._pull[key]

    def _parts(self, weak: float) -> tuple[Floats, Floats, Floats, Floats]:
        """popularity, directions, places, variance. weak: what an interaction that is no yes counts."""
        if weak not in self._known:
            rows = self._data.matrix(self._train, weak)[self._users]
            count = len(self._users)
            popularity = np.asarray(rows.mean(axis=0)).ravel().astype(np.float32)
            squares = np.asarray(rows.multiply(rows).mean(axis=0)).ravel()
            left, right = factorised(
                lambda x: rows @ x - popularity @ x,
                lambda x: rows.T @ x - np.outer(popularity, x.sum(axis=0)),
                rows.shape,
            )
            # U sqrt(S) and V sqrt(S) become z = U sqrt(n), of unit variance, and L = V S / sqrt(n).
            sizes = (right**2).sum(axis=0)
            directions = (right * np.sqrt(sizes / count)).astype(np.float32)
            places = (left * np.sqrt(count / np.maximum(sizes, 1e-9))).astype(np.float32)
            variance = np.maximum(squares - popularity**2, 1e-9).astype(np.float32)
            self._known[weak] = (popularity, directions, places, variance)
        return self._known[weak]


def _liked_later(task: Task, popularity: Floats, directions: Wide, places: Wide) -> Sparse:
    """csr (users, all items): 1 for what they like later. What they had met before says nothing: it is as
    expected."""
    hidden, right = task.hidden.tocoo(), task.relevant.tocoo()
    columns = task.items[hidden.col]
    expected = popularity[columns] + np.einsum("nd,nd->n", places[hidden.row], directions[columns])
    values = np.r_[expected, right.data.astype(np.float64)]
    rows, columns = np.r_[hidden.row, right.row], np.r_[columns, task.items[right.col]]
    return sparse.csr_array((values, (rows, columns)), shape=(len(task.users), len(popularity)))
