"""`glowplug up` as a process of its own, beside a broker and a Redis that are there already."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glowplug.embedded.places import free_port
from glowplug.settings import TopicNames
from tests.support.waiting import wait_until

START_S = 120.0  # loading the model on a busy machine, converting it from its wheel the first time
STOP_S = 30.0


@contextmanager
def glowplug_up(kafka: str, redis_url: str, prefix: str, log: Path, **settings: str) -> Iterator[int]:
    """Yields the port of /metrics and /health once all is ready. settings: environment, without GLOWPLUG_; without
    profiles, unless it says so."""
    port = free_port()
    topics = {f"KAFKA__TOPICS__{name.upper()}": f"{prefix}.{default}" for name, default in TopicNames()}
    variables = {
        "KAFKA__APPLICATION": prefix, "REDIS__KEY_PREFIX": f"{prefix}:", "OBSERVE__PORT": str(port),
        "PROFILES__MODEL": "off",
    }  # fmt: skip
    environment = os.environ | {f"GLOWPLUG_{key}": value for key, value in (topics | variables | settings).items()}
    program = str(Path(sys.executable).with_name("glowplug"))
    command = [program, "up", "--bootstrap-servers", kafka, "--redis-url", redis_url]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until(
                lambda: process.poll() is not None or is_healthy(port),
                START_S,
                lambda: f"glowplug up: {log.read_text()}",
            )
            assert process.poll() is None, f"glowplug up ended with {process.returncode}: {log.read_text()}"
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(STOP_S)
        assert code == 0, f"glowplug up ended with {code}: {log.read_text()}"


def is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return bool(answer.status == 200 and b'"recommender"' in answer.read())
    except OSError:
        return False
