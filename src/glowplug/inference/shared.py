"""One encoder for all consumers of a process: turns by forward pass, users first, and a memory for short texts."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from glowplug.inference.adapter import Adapter
from glowplug.inference.deference import Deference
from glowplug.inference.encoder import Kind, StagedEncoder, TextEncoder, TokenBatch, Vectors
from glowplug.inference.presence import Presence
from glowplug.inference.token_classes import (
    Adaptable,
    StagedTokenClassifier,
    TokenClasses,
    TokenClassifier,
    Unshared,
    assembled,
)
from glowplug.inference.turnstile import Turnstile
from glowplug.observe import metrics
from glowplug.observe.health import Condition, Reporting

Result = TypeVar("Result")

MEMO_CHARS = 64  # interests and categories come again and again; sentences that people write do not
# Passes of users in a row before one of items goes between: a sign-up needs one or two.
PATIENCE = 8
RANKS: dict[Kind, int] = {"user": 0, "item": 1}
# Passes of users and items before one of profiles goes between all the same: an import of items lasts minutes, and
# costs so a thirtieth of its pace.
BEHIND_RANK, BEHIND_PATIENCE = 2, 32
LOOK_S = 0.05  # so often a pass that stays away looks whether somebody came
# Looks in a row without a user: the rush is over, and the pass comes back. A quarter of a second, since half of one
# never goes by without a user where one signs up every half second, for whom there is time enough: after four
# passes in somebody's way, which happens by chance, refined lists came 3 s late there.
QUIET_LOOKS = 5
GIVES_WAY_S = 0.25  # a pass of profiles waits at most so long for a moment without users


class SharedEncoder:
    """Safe to call from many threads.

    Tokenising and finishing run beside other threads' passes; the pass itself belongs to one thread at a time,
    and a caller waits at most for the pass in progress before its own kind's turn comes. No pass of what is behind
    begins while a user's text is tokenised or finished, and after passes in whose time users came the next one
    stays away for a while.
    """

    def __init__(self, encoder: StagedEncoder, memo: int, pause: Callable[[float], None] = time.sleep) -> None:
        """memo: short user texts whose vectors are kept (least recently used go first); 0: none. pause: for so many
        seconds."""
        self._encoder = encoder
        self._turnstile = Turnstile(PATIENCE, BEHIND_PATIENCE)
        self._memo = Memo(memo)
        self._users = Presence()
        self._deference = Deference()
        self._pause = pause

    @property
    def fingerprint(self) -> str:
        return self._encoder.fingerprint

    @property
    def dim(self) -> int:
        return self._encoder.dim

    def condition(self) -> Condition:
        """For /health: a remote encoder can be away."""
        return self._encoder.condition() if isinstance(self._encoder, Reporting) else Condition("ok")

    def encode(self, texts: Sequence[str], kind: Kind) -> Vectors:
        with self._users.here() if kind == "user" else nullcontext():
            return self._encode(texts, kind, is_behind=False)

    def behind(self) -> TextEncoder:
        """The same encoder for work that nobody waits for: in small passes, after everybody else."""
        return Behind(self)

    def encode_behind(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """`encode` of `behind`."""
        return self._encode(texts, kind, is_behind=True)

    def _encode(self, texts: Sequence[str], kind: Kind, *, is_behind: bool) -> Vectors:
        if kind == "item":
            return self._compute(texts, kind, is_behind)
        known = self._memo.known(texts)
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        if missing:
            fresh = dict(zip(missing, self._compute(missing, kind, is_behind), strict=True))
            self._memo.remember(fresh)
            known |= fresh
        metrics.inference_saved.labels(kind).inc(len(texts) - len(missing))
        return np.stack([known[text] for text in texts]) if texts else np.empty((0, self.dim), np.float32)

    def _compute(self, texts: Sequence[str], kind: Kind, is_behind: bool) -> Vectors:
        out = np.empty((len(texts), self.dim), dtype=np.float32)
        batches = self._encoder.tokenise(texts, kind)
        for batch, pooled in self._passes(batches, self._encoder.forward, kind, is_behind):
            out[list(batch.rows)] = self._encoder.finish(pooled, kind)
        return out

    def classify(
        self, classifier: StagedTokenClassifier, texts: Sequence[str], *, is_behind: bool
    ) -> list[TokenClasses]:
        """By a classifier that shares the encoder's network, and so its turns."""
        with nullcontext() if is_behind else self._users.here():
            read = classifier.tokenise(texts)
            return assembled(read, self._passes(read.batches, classifier.forward, "user", is_behind))

    def classifier(self, adapter: Adapter) -> StagedTokenClassifier | None:
        """None where the encoder's network is not in this process."""
        return self._encoder.adapted(adapter) if isinstance(self._encoder, Adaptable) else None

    def _passes(
        self, batches: Sequence[TokenBatch], forward: Callable[[TokenBatch], Result], kind: Kind, is_behind: bool
    ) -> Iterator[tuple[TokenBatch, Result]]:
        rank, label = RANKS[kind], str(kind)
        if is_behind:
            batches = [piece for batch in batches for piece in _cut(batch, self._encoder.behind_tokens)]
            rank, label = BEHIND_RANK, "profile"
        for batch in batches:
            if is_behind:
                self._give_way()
            with self._turnstile.turn(rank):
                left = self._users.left() if is_behind else 0
                started = time.perf_counter()
                result = forward(batch)
                metrics.inference_seconds.labels(label).observe(time.perf_counter() - started)
            if is_behind:
                self._deference.learn(was_in_the_way=self._users.came() > left)
            metrics.inference_texts.labels(label).inc(len(batch.rows))
            yield batch, result

    def _give_way(self) -> None:
        left, quiet, came = self._deference.pause_s, 0, self._users.came()
        while left > 0 and quiet < QUIET_LOOKS:
            step = min(left, LOOK_S)
            self._pause(step)
            left -= step
            before, came = came, self._users.came()
            quiet = quiet + 1 if came == before == self._users.left() else 0
        if quiet == QUIET_LOOKS:
            self._deference.forget()
        self._users.wait_gone(GIVES_WAY_S)


class Behind:
    """A TextEncoder over a SharedEncoder."""

    def __init__(self, shared: SharedEncoder) -> None:
        self.shared = shared
        self.fingerprint, self.dim = shared.fingerprint, shared.dim

    def encode(self, texts: Sequence[str], kind: Kind) -> Vectors:
        return self.shared.encode_behind(texts, kind)


@dataclass(frozen=True, slots=True)
class SharedClassifier:
    """A TokenClassifier in the turns of `shared`."""

    shared: SharedEncoder
    classifier: StagedTokenClassifier
    is_behind: bool

    def classify(self, texts: Sequence[str]) -> list[TokenClasses]:
        return self.shared.classify(self.classifier, texts, is_behind=self.is_behind)


def token_classifier(encoder: TextEncoder, adapter: Adapter) -> TokenClassifier | None:
    """Over the network of `encoder`, in its turns; None where the adapter was learned on another, or it is away."""
    if encoder.fingerprint != adapter.encoder:
        return None
    shared = in_front(encoder)
    if not isinstance(shared, SharedEncoder):
        return Unshared(shared.adapted(adapter)) if isinstance(shared, Adaptable) else None
    classifier = shared.classifier(adapter)
    return SharedClassifier(shared, classifier, isinstance(encoder, Behind)) if classifier else None


def behind(encoder: TextEncoder) -> TextEncoder:
    """`encoder` for work that nobody waits for, where it is shared at all."""
    return encoder.behind() if isinstance(encoder, SharedEncoder) else encoder


def in_front(encoder: TextEncoder) -> TextEncoder:
    """The encoder that `encoder` stands behind: for what is done before anybody can wait, in full passes."""
    return encoder.shared if isinstance(encoder, Behind) else encoder


def _cut(batch: TokenBatch, tokens: int) -> list[TokenBatch]:
    """Its rows in order, as many together as stay within `tokens` when padded; one at least."""
    pieces: list[list[int]] = []
    longest = 0
    for at, row in enumerate(batch.tokens):
        longest = max(longest, len(row))
        if pieces and longest * (len(pieces[-1]) + 1) <= tokens:
            pieces[-1].append(at)
        else:
            pieces.append([at])
            longest = len(row)
    return [
        TokenBatch(batch.kind, tuple(batch.rows[at] for at in piece), tuple(batch.tokens[at] for at in piece))
        for piece in pieces
    ]


class Memo:
    """The last `size` short texts with their vectors."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    def known(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        with self._lock:
            found = {text: self._vectors[text] for text in texts if text in self._vectors}
            for text in found:
                self._vectors.move_to_end(text)
            return found

    def remember(self, vectors: dict[str, NDArray[np.float32]]) -> None:
        """Keeps the short ones. A vector that is not finite is a failure, not knowledge."""
        with self._lock:
            for text, vector in vectors.items():
                if len(text) <= MEMO_CHARS and np.isfinite(vector).all():
                    self._vectors[text] = vector.copy()  # a row would keep its whole batch alive
                    self._vectors.move_to_end(text)
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)
