"""A model server on this machine that speaks OpenAI's interface, and misbehaves when it is told to."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from glowplug.inference.encoder import Kind, TextEncoder, Vectors

KEY = "sk-of-tests-0123456789"
MODEL = "tests/small"
WAIT_S = 30.0
# Of llguidance: JSON as people write it.
STRICT = {"whitespace_flexible": False, "key_separator": ": ", "item_separator": ", "}

Chat = Callable[[Sequence[Mapping[str, str]], Mapping[str, Any]], str]  # messages, JSON schema → content


@dataclass(slots=True)
class Fault:
    """What a request meets instead of an answer. hold: it waits for this first. drops: the connection just ends."""

    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    drops: bool = False


@dataclass(slots=True)
class Seen:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class ModelServer:
    """faults: met by the next requests, one each; always: by all. seen: all requests so far. most_chars, refuses: a
    longer text, and one with this in it, is answered with 400."""

    def __init__(self, chat: Chat | None = None, encoder: TextEncoder | None = None) -> None:
        self.chat, self.encoder = chat, encoder
        self.model = MODEL
        self.kind: Kind = "user"
        self.most_chars = 1_000_000
        self.refuses: str | None = None
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.seen: list[Seen] = []
        self.under_way = self.most_under_way = 0
        self._lock = threading.Lock()
        self._listener = _Listener(("127.0.0.1", 0), _Request)
        self._listener.owner = self
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.server_address[1]}/v1"

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def met(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Fault | None:
        with self._lock:
            self.seen.append(Seen(path, headers, body))
            return self.faults.popleft() if self.faults else self.always

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            yield
        finally:
            with self._lock:
                self.under_way -= 1

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/v1/embeddings" and self.encoder is not None:
            texts: list[str] = body["input"]
            is_refused = self.refuses is not None and any(self.refuses in text for text in texts)
            if is_refused or max(map(len, texts)) > self.most_chars:
                return 400, {"error": {"message": "input is too long"}}
            rows: Vectors = self.encoder.encode([text or " " for text in texts], self.kind)
            data = [
                {"object": "embedding", "index": at, "embedding": [float(value) for value in row * np.float32(3)]}
                for at, row in enumerate(rows)
            ]
            return 200, {"object": "list", "model": self.model, "data": data[::-1]}
        if path == "/v1/chat/completions" and self.chat is not None:
            form = body["response_format"]
            schema = form["value"] if "value" in form else form["json_schema"]["schema"]
            content = self.chat(body["messages"], schema)
            message = {"role": "assistant", "content": content}
            return 200, {
                "model": self.model,
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            }
        return 404, {"error": {"message": "no such route"}}


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    owner: ModelServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone away is no news."""


class _Request(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        owner = self.server.owner
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with owner.counted():
            fault = owner.met(self.path, dict(self.headers.items()), body)
            if fault is not None and fault.hold is not None:
                fault.hold.wait(WAIT_S)
            if fault is not None and fault.drops:
                self.close_connection = True
                return
            if fault is not None and (fault.body is not None or fault.status != 200):
                self._send(fault.status, (fault.body or "").encode(), fault.headers)
            else:
                status, answer = owner.answer(self.path, body)
                self._send(status, json.dumps(answer).encode(), {})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: pytest's output is for results."""


def by_smollm2() -> Chat:
    """Answers of SmolLM2, as the schema wants them; it is loaded now."""
    from glowplug.errors import ModelRejected
    from glowplug.inference.generation import Request
    from glowplug.inference.language_model import HOLE
    from tests.support.smollm2 import engine

    model = engine()  # here, and not in two threads of the server at once

    def chat(messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> str:
        *before, last = messages
        framed = (*before, {**last, "content": HOLE})
        strict = json.dumps({**schema, "x-guidance": STRICT})
        (answer,) = model.answer([Request(framed, last["content"], f"start: %json {strict}")])
        assert not isinstance(answer, ModelRejected)
        return answer.text

    return chat
