"""A product's own client: it knows schemas/ and topics.toml, and nothing of the code behind them."""

from __future__ import annotations

import base64
import json
import time
import tomllib
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from jsonschema import Draft202012Validator

CONTRACT = Path(__file__).parents[2] / "schemas"
POLL_S = 0.05
METADATA_S = 10.0
JSON = dict[str, Any]


class Outsider:
    """Sends to the input topics, reads everything else at read_committed, and checks all it reads by schema."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.declared = tomllib.loads((CONTRACT / "topics.toml").read_text("utf-8"))
        self._schemas = {
            path.name.removesuffix(".v1.json"): Draft202012Validator(json.loads(path.read_text("utf-8")))
            for path in CONTRACT.glob("*.v1.json")
        }
        self._prefix = prefix
        self._producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "log_level": 0})
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"outsider-{uuid.uuid4().hex}",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "log_level": 0,  # the broker of a test run ends before its clients
            }
        )
        self.log: dict[str, list[tuple[str | None, JSON | bytes | None, dict[str, bytes]]]] = {}
        outputs = [
            name
            for name, topic in self.declared.items()
            if topic["writer"] != "the product" and "only_with" not in topic
        ]
        self._names = {self.topic(name): name for name in outputs}
        # No group: the built-in broker now and then leaves a member of one without partitions (1 of 25 runs).
        self._consumer.assign([place for name in self._names for place in self._partitions(name)])

    def close(self) -> None:
        self._consumer.close()

    def topic(self, name: str) -> str:
        return f"{self._prefix}.{name.replace('_', '-')}"

    def _partitions(self, topic: str) -> list[TopicPartition]:
        described = self._consumer.list_topics(topic, timeout=METADATA_S).topics[topic]
        assert described.error is None, described.error
        return [TopicPartition(topic, number, OFFSET_BEGINNING) for number in described.partitions]

    # ---- writing -----------------------------------------------------------------------------------------

    def send(self, topic: str, event: JSON) -> str:
        """An event of the contract, with id and time; returns its id."""
        event = {"event_id": uuid.uuid4().hex, "event_time": datetime.now(UTC).isoformat()} | event
        self._schemas[event["type"]].validate(event)
        self.send_bytes(topic, event[self.declared[topic]["key"]], json.dumps(event, ensure_ascii=False).encode())
        return str(event["event_id"])

    def send_bytes(self, topic: str, key: str | None, value: bytes | None, headers: JSON | None = None) -> None:
        refused: list[object] = []
        self._producer.produce(
            self.topic(topic),
            value=value,
            key=key,
            headers=headers,
            on_delivery=lambda error, _: refused.append(error),
        )
        assert self._producer.flush(10) == 0
        assert refused == [None], refused

    def item(self, item_id: str, title: str, description: str = "", **more: Any) -> str:
        kind = more.pop("type", "item.created")
        return self.send(
            "items", {"type": kind, "item_id": item_id, "title": title, "description": description} | more
        )

    def user(self, user_id: str, text: str = "", **more: Any) -> str:
        return self.send(
            "users", {"type": more.pop("type", "user.created"), "user_id": user_id, "text": text} | more
        )

    def act(self, user_id: str, item_id: str, action: str, **more: Any) -> str:
        event = {"type": "interaction", "user_id": user_id, "item_id": item_id, "action": action} | more
        return self.send("interactions", event)

    # ---- reading -----------------------------------------------------------------------------------------

    def wait(self, reached: Callable[[], Any], what: str | Callable[[], str], deadline_s: float = 30.0) -> Any:
        """Read on until `reached` is true."""
        end = time.monotonic() + deadline_s
        while not (value := reached()):
            assert time.monotonic() < end, (
                f"not within {deadline_s:g} s: {what if isinstance(what, str) else what()}"
            )
            self._poll()
        return value

    def quiet(self, seconds: float) -> None:
        """Read until nothing has come for so long: what has not come by then is not coming."""
        last = time.monotonic()
        while time.monotonic() - last < seconds:
            if self._poll():
                last = time.monotonic()

    def answer(self, user_id: str, event_id: str) -> JSON:
        """The recommendations that cover the event."""
        found: JSON = self.wait(
            lambda: next((r for r in self.lists(user_id) if r is not None and event_id in r["covers"]), None),
            f"recommendations for {user_id} that cover {event_id}",
        )
        return found

    def lists(self, user_id: str) -> list[JSON | None]:
        values = [value for key, value, _ in self.log.get("recommendations", []) if key == user_id]
        return cast("list[JSON | None]", values)

    def latest(self, topic: str) -> dict[str, JSON]:
        """The topic after compaction."""
        table: dict[str, Any] = {}
        for key, value, _ in self.log.get(topic, []):
            assert key is not None
            table[key] = value
        return {key: value for key, value in table.items() if value is not None}

    def _poll(self) -> bool:
        message = self._consumer.poll(POLL_S)
        if message is None or message.error() is not None:
            return False
        name = self._names[str(message.topic())]
        raw, key = message.value(), message.key()
        pairs = cast("list[tuple[str, bytes | None]]", message.headers() or [])  # of a consumed message, a list
        headers = {name: value or b"" for name, value in pairs}
        value: JSON | bytes | None = raw
        if raw is not None and name != "dead_letters":
            decoded: JSON = json.loads(raw)
            self._schemas[decoded["type"]].validate(decoded)
            if decoded["type"] == "user.mark":
                name = "marks"  # beside the states in their topic, and about no user
            value = decoded
        self.log.setdefault(name, []).append((None if key is None else key.decode(), value, headers))
        return True


def numbers(vector: JSON) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A vector of the contract as float64."""
    assert vector["dtype"] == "float16"
    half = np.frombuffer(base64.b64decode(vector["data"]), "<f2")
    assert half.size == vector["dim"]
    return half.astype(np.float64)
