"""The real broker that `glowplug up --broker apache` and these tests start."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from glowplug.embedded import kafka_jars
from glowplug.embedded.apache import ApacheBroker
from glowplug.errors import PortInUse, Unreachable
from tests.support.kafka import create_topic, produce, read_to_end
from tests.support.servers import Servers
from tests.support.waiting import wait_until


@pytest.mark.kafka
@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill"])
def test_what_was_acknowledged_survives_a_restart(kafka: str, kill: bool) -> None:
    with ApacheBroker(fast_failures=True) as broker:
        create_topic(broker.bootstrap, "t")
        produce(broker.bootstrap, "t", "key", {"n": 1})
        broker.restart(kill=kill)
        (record,) = read_to_end(broker.bootstrap, "t")
    assert record.json() == {"n": 1}


@pytest.mark.kafka
def test_a_killed_broker_starts_again_once_its_controller_has_found_it_dead(kafka: str) -> None:
    with ApacheBroker(fast_failures=True, controller_apart=True) as broker:
        create_topic(broker.bootstrap, "t")
        produce(broker.bootstrap, "t", "key", {"n": 1})
        broker.restart(kill=True)
        (record,) = read_to_end(broker.bootstrap, "t")
        controller = (broker.data_dir / "controller" / "controller.log").read_text("utf-8")
        log = broker.log.read_text("utf-8")
    assert record.json() == {"n": 1}
    assert "Fencing broker 1" in controller
    assert "DUPLICATE_BROKER_REGISTRATION" not in log


@pytest.mark.kafka
def test_nothing_is_left_after_stop(kafka: str) -> None:
    with ApacheBroker() as broker:
        pid, folder = broker.pid, broker.data_dir
    assert not _runs(pid)
    assert not folder.exists()


@pytest.mark.kafka
def test_a_given_folder_is_kept(kafka: str, tmp_path: Path) -> None:
    with ApacheBroker(tmp_path / "data") as broker:
        create_topic(broker.bootstrap, "t")
        produce(broker.bootstrap, "t", None, b"kept")
    with ApacheBroker(tmp_path / "data") as broker:
        assert [record.value for record in read_to_end(broker.bootstrap, "t")] == [b"kept"]


@pytest.mark.kafka
def test_the_broker_does_not_outlive_a_killed_owner(kafka: str, tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from glowplug.embedded.apache import ApacheBroker\n"
        f"broker = ApacheBroker(Path({str(tmp_path)!r}))\n"
        "broker.start()\n"
        "print(broker.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    owner = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pid = int(owner.stdout)
    wait_until(lambda: not _runs(pid), 10, f"process {pid} ends")


@pytest.mark.kafka
def test_a_broker_that_does_not_start_says_its_last_words(kafka: str) -> None:
    broker = ApacheBroker(properties={"process.roles": "juggler"})
    with pytest.raises(Unreachable, match="juggler"):
        broker.start()
    broker.stop()


@pytest.mark.kafka
def test_the_jars_are_fetched_once(kafka: str, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = kafka_jars.jars()
    monkeypatch.setenv("PATH", "")
    assert kafka_jars.jars() == folder
    assert any(jar.name.startswith("kafka_2.13-4.3.1") for jar in folder.iterdir())


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"127\.0\.0\.1:{port} .*--kafka-port"):
            ApacheBroker(port=port)


def test_a_missing_java_is_one_sentence_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unreachable, match=r"needs Java 17 or later and java does not run: install .*--bootstrap"):
        kafka_jars.java()


def test_an_old_java_is_one_sentence_with_the_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Unreachable, match="is version 11: install"):
        kafka_jars.java()


def test_a_missing_maven_is_one_sentence_with_the_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unreachable, match="mvn is not on PATH: install it"):
        kafka_jars.jars()


def test_a_failed_fetch_leaves_no_folder_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] Could not resolve kafka'\nexit 1\n", "utf-8")
    maven.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(Unreachable, match=r"Could not resolve kafka.*check the network"):
        kafka_jars.jars()
    assert list(tmp_path.rglob("*kafka*")) == []


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
