"""A sentence encoder behind OpenAI's /v1/embeddings: TEI, vLLM, llama.cpp server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from glowplug.errors import BadSettings, ModelUnavailable, Unreachable, shown
from glowplug.inference.cache import cache_folder, made_once
from glowplug.inference.centre import Centre, centre_for
from glowplug.inference.circuit import Circuit
from glowplug.inference.encoder import Kind, TokenBatch, Vectors, encode_in_stages, fingerprint, unit
from glowplug.inference.remote import Refused, Remote
from glowplug.observe import metrics
from glowplug.observe.health import Condition
from glowplug.settings import EncoderSettings

PROBE = "A short sentence that tells whether the same model still answers."
SAME = 0.99  # cosine of the probe's vector to the kept one: other hardware keeps .999, no other model does
TOKEN_CHARS = 8  # characters that a token stands for at most: what is cut here the model would never read
LEAST_CHARS = 32  # a text that is refused is halved as long as it is longer: the server's limit is not known here


class RemoteEncoder:
    """Safe to call from many threads. While the server fails it is asked only now and then.

    Texts that it refuses at any length become NaN. A server that comes to serve another model is Fatal: vectors
    of two models would otherwise meet under one fingerprint.
    """

    # For a SharedEncoder: a pass here takes a round trip and none of this machine's time, so that small ones gain
    # nobody anything. In bytes, as its tokens are.
    behind_tokens = 4_096

    def __init__(
        self,
        settings: EncoderSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks once. Raises BadSettings, Unreachable."""
        remote = settings.remote
        self._remote = Remote(remote, "encoder.remote", "encoder", sleep=sleep, clock=clock)
        self._at_once, self._concurrency = remote.at_once, remote.concurrency
        self._clock = clock
        self._lock = threading.Lock()
        self._circuit = Circuit()
        self._pool = ThreadPoolExecutor(remote.concurrency, "glowplug-remote")
        self._prompts: dict[Kind, str] = {"item": settings.item_prompt or "", "user": settings.user_prompt or ""}
        self._most_chars = settings.max_tokens * TOKEN_CHARS
        self._served: tuple[str, int] | None = None  # the model's name as the server says it, width
        self._centre: Centre | None = None
        metrics.encoder_circuit.set_function(self._is_open)
        try:
            self.dim, self.fingerprint = self._met(settings)
        except BaseException:
            self.close()
            raise

    def _met(self, settings: EncoderSettings) -> tuple[int, str]:
        """Dimension and fingerprint of what answers there. Raises BadSettings, Unreachable."""
        try:
            probe = unit(self._asked([PROBE]))
        except ModelUnavailable as error:
            raise Unreachable(f"encoder.remote: {error}") from error
        name, width = self._served or ("", 0)
        self.dim = _dim(settings.dim, width)
        remote = settings.remote
        identity: dict[str, object] = {
            "model": remote.model,
            "served": name,
            "revision": settings.revision,
            "prompts": sorted(self._prompts.items()),
            "max_tokens": settings.max_tokens,
            "width": width,
            "dim": self.dim,
        }
        short = remote.model.rpartition("/")[2].lower()
        bare = fingerprint(short, identity)
        self._check_kept(probe, cache_folder(settings.cache_dir) / "remote" / bare.replace(":", "-"))
        self._centre = centre_for(self, bare, settings)
        identity["centre"] = self._centre.learned_from if self._centre else None
        return self.dim, fingerprint(short, identity)

    def encode(self, texts: Sequence[str], kind: Kind) -> Vectors:
        return encode_in_stages(self, texts, kind)

    def tokenise(self, texts: Sequence[str], kind: Kind) -> Sequence[TokenBatch]:
        """Tokens are the server's affair: here they are the bytes of the texts."""
        many = self._at_once * self._concurrency
        prompt = self._prompts[kind]
        read = [(prompt + text[: self._most_chars]).encode("utf-8", "replace") for text in texts]
        return [
            TokenBatch(kind, tuple(range(at, min(at + many, len(read)))), tuple(read[at : at + many]))
            for at in range(0, len(read), many)
        ]

    def forward(self, batch: TokenBatch) -> Vectors:
        texts = [bytes(tokens).decode() for tokens in batch.tokens]
        parts = [texts[at : at + self._at_once] for at in range(0, len(texts), self._at_once)]
        if len(parts) == 1:
            return self._asked(parts[0])
        return np.concatenate(list(self._pool.map(self._asked, parts)))

    def finish(self, pooled: Vectors, kind: Kind) -> Vectors:
        rows = unit(pooled[:, : self.dim])
        return self._centre.apply(rows, kind) if self._centre else rows

    def condition(self) -> Condition:
        with self._lock:
            cause = self._circuit.cause
        return Condition("degraded", f"the encoder does not answer: {cause}") if cause else Condition("ok")

    def close(self) -> None:
        self._pool.shutdown()
        self._remote.close()

    # ---- the server --------------------------------------------------------------------------------------

    def _asked(self, texts: list[str]) -> Vectors:
        """float32 (texts, width). Raises ModelUnavailable, at once while the server is spared, and BadSettings."""
        with self._lock:
            pause_s, cause = self._circuit.wait_s(self._clock()), self._circuit.cause
        if pause_s:
            raise ModelUnavailable(f"{cause}; it is asked again in {pause_s:.0f} s")
        try:
            rows = self._vectors(texts)
        except ModelUnavailable as error:
            with self._lock:
                self._circuit.failed(self._clock(), str(error))
            raise
        with self._lock:
            self._circuit.succeeded()
        return rows

    def _vectors(self, texts: list[str]) -> Vectors:
        """What is refused together is asked in halves; what is refused alone, in half of its length."""
        body = {"model": self._remote.model, "input": texts, "encoding_format": "float"}
        try:
            return self._read(self._remote.post("/embeddings", body), len(texts))
        except Refused:
            if len(texts) > 1:
                middle = len(texts) // 2
                return np.concatenate([self._vectors(texts[:middle]), self._vectors(texts[middle:])])
            if self._served is None:
                raise BadSettings(
                    f"encoder.remote: {self._remote.where} refuses a plain sentence; see encoder.remote.model"
                ) from None
            if len(texts[0]) > LEAST_CHARS:
                return self._vectors([texts[0][: len(texts[0]) // 2]])
            return np.full((1, self._served[1]), np.nan, np.float32)

    def _read(self, answer: Mapping[str, Any], count: int) -> Vectors:
        try:
            entries = sorted(answer["data"], key=lambda entry: int(entry["index"]))
            rows: NDArray[np.float32] = np.array([entry["embedding"] for entry in entries], np.float32)
            places = [int(entry["index"]) for entry in entries]
        except (KeyError, TypeError, ValueError):
            rows, places = np.empty((0, 0), np.float32), []
        if rows.ndim != 2 or places != list(range(count)):
            raise ModelUnavailable(f"{self._remote.where} answers with no list of {count} vectors")
        served = (str(answer.get("model", "")), rows.shape[1])
        if self._served is None:
            self._served = served
        elif served != self._served:
            raise BadSettings(
                f"encoder.remote: {self._remote.where} now serves {shown(served[0])}, {served[1]} wide; it "
                f"was {shown(self._served[0])}, {self._served[1]} wide, when this process started; start it again"
            )
        return rows

    def _check_kept(self, probe: Vectors, folder: Path) -> None:
        """Raises BadSettings where the probe's vector is another than it was under this fingerprint before."""
        kept = load_file(made_once(folder, lambda draft: save_file({"probe": probe}, draft / "probe.safetensors"))
                         / "probe.safetensors")["probe"]  # fmt: skip
        if not (kept.shape == probe.shape and float(np.vdot(kept, probe)) >= SAME):
            raise BadSettings(
                f"encoder.remote: {self._remote.where} makes other vectors than before under the same name; raise "
                f"encoder.revision if the model was changed on purpose (kept in {shown(str(folder))})"
            )

    def _is_open(self) -> bool:
        with self._lock:
            return self._circuit.state(self._clock()) != "closed"


def _dim(asked: int | None, width: int) -> int:
    if asked is not None and asked > width:
        raise BadSettings(f"encoder.dim is {asked}, but the server makes vectors of {width}; lower or drop it")
    return asked or width
