"""The Store in Redis: a hash per key, written by one compare-and-set script (fold.lua), pipelined."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from glowplug.errors import BadSettings, StoreUnavailable, StoreWiped, Unreachable, shown
from glowplug.observe import metrics
from glowplug.serving.store import TOMBSTONE_S, VERSION_FIELD, Place
from glowplug.settings import RedisSettings
from glowplug.stream.step import StoreWrite

SCRIPT = (Path(__file__).parent / "fold.lua").read_bytes()
SHA = hashlib.sha1(SCRIPT, usedforsecurity=False).hexdigest()  # what EVALSHA calls it
BEGUN = "glowplug:begun"  # the marker: a hash of topic id/partition; gone when the server was wiped
PIPELINED = 500  # writes in one round trip: beyond it the round trip no longer costs, and other clients wait


def client(url: str, timeout_s: float) -> redis.Redis:
    """Not yet connected. Raises BadSettings for what is no Redis URL.

    Nothing is tried again in here: the engine does that, visibly.
    """
    if not url:
        raise BadSettings("redis.url is empty; say redis://host:port/0, or let `glowplug up` start a server")
    try:
        return redis.Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
        )
    except ValueError as error:
        raise BadSettings(f"redis.url is no Redis URL ({shown(str(error))}); say redis://host:port/0") from None


def without_password(url: str) -> str:
    """`url` as it may stand in a message."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class RedisStore:
    """See Store. Every key gets `redis.key_prefix`. Raises BadSettings."""

    def __init__(self, settings: RedisSettings) -> None:
        self._redis = client(settings.url, settings.timeout_s)
        self._shown_url = without_password(settings.url)
        self._prefix = settings.key_prefix
        self._marker = f"{settings.key_prefix}{BEGUN}"
        self._expects_marker = False

    def check(self) -> None:
        """Raises Unreachable if the server cannot be used."""
        try:
            self._redis.ping()
        except RedisError as error:
            raise Unreachable(
                f"Redis at {self._shown_url} cannot be used ({shown(str(error))}); start it, or mend redis.url"
            ) from error

    def fold(self, writes: Sequence[StoreWrite]) -> None:
        with self._failures():
            for at in range(0, len(writes), PIPELINED):
                outcomes = self._run(writes[at : at + PIPELINED])
                applied = sum(outcomes)
                metrics.store_writes.labels("applied").inc(applied)
                metrics.store_writes.labels("stale").inc(len(outcomes) - applied)
            if self._expects_marker and not self._redis.exists(self._marker):
                self._expects_marker = False  # said once: the same writes again are then welcome
                raise StoreWiped(f"Redis at {self._shown_url} was wiped: the key {self._marker} is gone")

    def get(self, key: str) -> Mapping[str, bytes] | None:
        with self._failures():
            # Bytes, not text: decode_responses is off.
            held = cast("dict[bytes, bytes]", self._redis.hgetall(self._prefix + key))
        fields = {name.decode(): value for name, value in held.items()}
        fields.pop(VERSION_FIELD, None)
        return fields or None

    def has_begun(self, place: Place) -> bool:
        with self._failures():
            begun = bool(self._redis.hexists(self._marker, _field(place)))
        self._expects_marker |= begun
        return begun

    def begin(self, places: Iterable[Place]) -> None:
        fields = [part for place in places for part in (_field(place), "1")]
        if fields:
            with self._failures():
                self._redis.hset(self._marker, items=fields)
            self._expects_marker = True

    def close(self) -> None:
        self._redis.close()

    def _run(self, writes: Sequence[StoreWrite]) -> list[int]:
        """1 for each write that was applied, else 0. Loads the script where the server lacks it."""
        results = self._send(writes)
        if any(isinstance(result, NoScriptError) for result in results):
            self._redis.script_load(SCRIPT)
            results = self._send(writes)  # all of them: what was applied is stale now, and says so
        applied: list[int] = []
        for result in results:
            if isinstance(result, Exception):
                raise result
            applied.append(result)
        return applied

    def _send(self, writes: Sequence[StoreWrite]) -> list[int | Exception]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for write in writes:
                pipeline.evalsha(SHA, 1, self._prefix + write.key, *_arguments(write))
            results: list[int | Exception] = pipeline.execute(raise_on_error=False)
        return results

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:
            raise StoreUnavailable(f"Redis at {self._shown_url}: {shown(str(error))}") from error


def _field(place: Place) -> str:
    topic_id, partition = place
    return f"{topic_id}/{partition}"


def _arguments(write: StoreWrite) -> list[str | bytes | int]:
    keep_s = 0 if write.fields is not None else TOMBSTONE_S
    pairs = [part for pair in (write.fields or {}).items() for part in pair]
    return [*write.version, keep_s, *pairs]
