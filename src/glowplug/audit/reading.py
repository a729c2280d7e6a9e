"""Takes a snapshot: the committed topics whole, how far each group has read them, and what Redis holds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer
from redis.exceptions import RedisError, ResponseError

from glowplug.audit.log import TOPICS, Log
from glowplug.audit.snapshot import Progress, Snapshot, Values, silent
from glowplug.errors import BrokerUnavailable, StoreUnavailable, shown
from glowplug.serving.redis_store import BEGUN, client, without_password
from glowplug.settings import RedisSettings, Settings
from glowplug.stream.admin import Topics, ensure_topics
from glowplug.stream.clients import group_id, reader_config
from glowplug.stream.offsets import Offsets
from glowplug.stream.positions import Place
from glowplug.stream.reader import Names, Reader

READ_BY = {
    "recommender": ("user_vectors", "user_profiles"),
    "redis_writer": ("item_vectors", "user_states", "recommendations"),
}
MOST = 10_000  # records a poll: some ten megabytes
POLL_S = 0.1
WAIT_MS = 20  # an end that is a control record shows only in an empty answer, which the broker holds so long
STALL_S = 30.0  # no record and no end for so long; an open transaction is ended by the broker after 10 s
SCANNED = 1_000  # keys in one round trip
KINDS = ("item:*", "user:*", "recs:*", BEGUN)  # what is ours where no prefix tells


def take(settings: Settings, *, with_redis: bool = True, progress: Progress = silent) -> Snapshot:
    """progress: called with offsets passed, and of how many.

    Raises BadSettings, BadTopics, Unreachable, BrokerUnavailable, StoreUnavailable.
    """
    topics = ensure_topics(settings, create=False)
    kafka = settings.kafka.model_copy(update={"builtin": topics.is_builtin})
    settings = settings.model_copy(update={"kafka": kafka})
    store = client(settings.redis.url, settings.redis.timeout_s) if with_redis else None
    names = Names(settings)
    places = [Place(topic, n) for topic in TOPICS for n in range(topics.context.partitions[topic])]
    with contextlib.closing(Offsets(settings, names)) as offsets:
        # The groups first: whatever they have committed is in Redis and in the topics when those are read.
        committed = {} if topics.is_builtin else _committed(offsets, settings, topics)
        begins, ends, taken_at = offsets.beginnings(places), offsets.written(places), datetime.now(UTC)
    log = Log()
    config = {"fetch.wait.max.ms": WAIT_MS} | reader_config(settings, "audit")
    with contextlib.closing(Reader(Consumer(config), names)) as reader:
        _read(reader, begins, ends, log, progress)
    values: Values = {}
    if store is not None:
        with contextlib.closing(store):
            values = _values(store, settings.redis)
    return Snapshot(log, topics.context, taken_at, ends, begins, committed, values, topics.is_builtin)


def _committed(offsets: Offsets, settings: Settings, topics: Topics) -> dict[str, dict[Place, int]]:
    found: dict[str, dict[Place, int]] = {}
    for step, inputs in READ_BY.items():
        places = [Place(topic, n) for topic in inputs for n in range(topics.context.partitions[topic])]
        committed = offsets.committed(group_id(settings, step), places, is_final=False)
        found[step] = dict.fromkeys(places, 0) | committed  # a group that never committed has read nothing
    return found


def _read(reader: Reader, begins: dict[Place, int], ends: dict[Place, int], log: Log, progress: Progress) -> None:
    wanted = {place: end for place, end in ends.items() if end > begins[place]}
    total = sum(end - begins[place] for place, end in wanted.items())
    reader.read({place: begins[place] for place in wanted})
    passed, moved = 0, time.monotonic()
    while not reader.reached(wanted):
        records = reader.poll(MOST, POLL_S)
        log.add(record for record in records if record.offset < ends[Place(record.topic, record.partition)])
        now_passed = sum(min(reader.position[place], end) - begins[place] for place, end in wanted.items())
        if now_passed > passed:
            passed, moved = now_passed, time.monotonic()
            progress(passed, total)
        elif time.monotonic() - moved > STALL_S:
            raise BrokerUnavailable(
                f"the topics cannot be read to their ends: {passed} of {total} offsets passed, then nothing for "
                f"{STALL_S:.0f} s; is a transaction left open, or a partition without a leader?"
            )


def _values(store: Any, settings: RedisSettings) -> Values:
    """store: a redis.Redis, whose answers have no types of their own."""
    values: dict[str, Any] = {}
    try:
        for keys in _batches(_keys(store, settings.key_prefix)):
            with store.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.hgetall(key)
                for key, answer in zip(keys, pipeline.execute(raise_on_error=False), strict=True):
                    if isinstance(answer, Exception) and not isinstance(answer, ResponseError):
                        raise answer
                    name = key.decode("utf-8", "replace")[len(settings.key_prefix) :]
                    if isinstance(answer, ResponseError):
                        values[name] = None  # of another type
                    elif answer:  # else it expired since it was found
                        values[name] = {field.decode("utf-8", "replace"): value for field, value in answer.items()}
    except RedisError as error:
        raise StoreUnavailable(
            f"Redis at {without_password(settings.url)}: {shown(str(error))}; start it, or mend redis.url"
        ) from error
    return values


def _keys(store: Any, prefix: str) -> Iterator[bytes]:
    """Every key under the prefix; without one, those of our kinds."""
    escaped = "".join(f"\\{char}" if char in "*?[]\\^" else char for char in prefix)
    seen: set[bytes] = set()
    for pattern in (f"{escaped}*",) if prefix else KINDS:
        for key in store.scan_iter(match=pattern, count=SCANNED):
            if key not in seen:  # SCAN may tell a key twice
                seen.add(key)
                yield key


def _batches(keys: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    batch: list[bytes] = []
    for key in keys:
        batch.append(key)
        if len(batch) == SCANNED:
            yield batch
            batch = []
    if batch:
        yield batch
