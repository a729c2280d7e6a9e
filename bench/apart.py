"""`glowplug up` as a process of its own: a benchmark neither shares its interpreter nor sees its insides."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from prometheus_client.parser import text_string_to_metric_families

from glowplug.embedded.pacing import ANSWER_S, DIRECT, LagGate, health_lag
from glowplug.embedded.places import free_port
from glowplug.errors import NotInTime, Unreachable
from glowplug.settings import ProfileSettings, Settings, load
from glowplug.stream.admin import ensure_topics
from glowplug.stream.offsets import Offsets
from glowplug.stream.positions import Place
from glowplug.stream.reader import Names

START_S = 180.0  # the first time Apache Kafka is downloaded and the model converted
STOP_S = 30.0
QUIET_S = 2.0  # reported lag is some tenths of a second old; and the writer reads what the recommender wrote
POLL_S = 0.1
KIB = 1024
STAGES = ("queue", "step", "commit")


@dataclass(frozen=True, slots=True)
class Apart:
    """A running stack. settings: with its addresses. process: None for one that was there before."""

    settings: Settings
    broker: str
    process: subprocess.Popen[bytes] | None

    @property
    def gate(self) -> LagGate | None:
        return LagGate(lambda: health_lag(self._url("health"))) if self.settings.kafka.builtin else None

    def check(self) -> None:
        """Raises Unreachable where the stack has ended."""
        if self.process is not None and self.process.poll() is not None:
            raise Unreachable(f"glowplug up ended with {self.process.returncode}")

    def wait_idle(self, timeout_s: float, quiet_s: float = QUIET_S) -> None:
        """Until, for quiet_s, no record waits and none is added. Raises NotInTime."""
        topics = ensure_topics(self.settings, create=False).context.partitions
        places = [Place(topic, number) for topic, count in topics.items() for number in range(count)]
        with closing(Offsets(self.settings, Names(self.settings))) as offsets:
            since = time.monotonic()
            end, before = since + timeout_s, offsets.written(places)
            while time.monotonic() - since < quiet_s:
                self.check()
                time.sleep(POLL_S)
                ends = offsets.written(places)
                if ends != before or health_lag(self._url("health")):
                    before, since = ends, time.monotonic()
                if time.monotonic() > end:
                    raise NotInTime(f"the stack is not idle within {timeout_s:.0f} s")

    def profiles(self) -> str:
        """The profile model that runs, and why; of a stack of single consumers what our own settings say."""
        told: dict[str, str] = json.loads(self._get("health"))
        return told.get("profiles", self.settings.profiles.model)

    def peak_memory_bytes(self) -> int | None:
        """Of the stack's process, without broker and Redis; None where the system does not tell."""
        status = Path(f"/proc/{self.process.pid}/status") if self.process else None
        if status is None or not status.exists():
            return None
        found = next((row for row in status.read_text().splitlines() if row.startswith("VmHWM:")), None)
        return int(found.split()[1]) * KIB if found else None

    def inside(self) -> dict[str, dict[str, tuple[float, float]]]:
        """By consumer and stage (queue, step, commit): seconds and number of observations so far."""
        found: dict[str, dict[str, tuple[float, float]]] = {}
        wanted = {f"glowplug_{stage}_seconds": stage for stage in STAGES}
        for family in text_string_to_metric_families(self._get("metrics").decode()):
            stage = wanted.get(family.name)
            for sample in family.samples if stage else ():
                seconds, count = found.setdefault(sample.labels["consumer"], {}).get(stage or "", (0.0, 0.0))
                if sample.name.endswith("_sum"):
                    seconds = sample.value
                elif sample.name.endswith("_count"):
                    count = sample.value
                found[sample.labels["consumer"]][stage or ""] = seconds, count
        return found

    def _get(self, page: str) -> bytes:
        with DIRECT.open(self._url(page), timeout=ANSWER_S) as response:
            body: bytes = response.read()
            return body

    def _url(self, page: str) -> str:
        return f"http://{self.settings.observe.host}:{self.settings.observe.port}/{page}"


@contextmanager
def running(
    broker: str, settings: Settings | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[Apart]:
    """broker: apache or builtin, started here and ended again; or bootstrap: what the settings name is running.
    variables: environment of what is started, beside ours.

    Raises Unreachable.
    """
    settings = settings or load()
    if broker == "bootstrap":
        yield Apart(_known(settings), broker, None)
        return
    kafka, redis, observe = free_port(), free_port(), free_port()
    program = str(Path(sys.executable).with_name("glowplug"))
    ports = ("--kafka-port", str(kafka), "--redis-port", str(redis), "--port", str(observe))
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [program, "up", "--broker", broker, *ports],
            env={**os.environ, **(variables or {})}, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait_ready(process, f"http://127.0.0.1:{observe}/health")
            addressed = settings.model_copy(update={
                "kafka": settings.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{kafka}"}),
                "redis": settings.redis.model_copy(update={"url": f"redis://127.0.0.1:{redis}/0"}),
                "observe": settings.observe.model_copy(update={"port": observe}),
            })  # fmt: skip
            yield Apart(_known(addressed), broker, process)
        except BaseException:
            log.seek(0)
            sys.stderr.buffer.write(log.read())
            raise
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_S)


def take_profiles(parser: argparse.ArgumentParser) -> None:
    """The option --profiles, for `profiles_of`."""
    parser.add_argument(
        "--profiles", choices=get_args(ProfileSettings.model_fields["model"].annotation),
        help="profiles.model of what is started here; default: as the settings say",
    )  # fmt: skip


def profiles_of(options: argparse.Namespace) -> dict[str, str]:
    """What --profiles says, as variables."""
    return {"GLOWPLUG_PROFILES__MODEL": options.profiles} if options.profiles else {}


def delta(before: dict[str, Any], after: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Mean milliseconds of what was observed in between, by consumer and stage."""
    means: dict[str, dict[str, float]] = {}
    for consumer, stages in after.items():
        for stage, (seconds, count) in stages.items():
            earlier_s, earlier = before.get(consumer, {}).get(stage, (0.0, 0.0))
            if count > earlier:
                means.setdefault(consumer, {})[stage] = round(1e3 * (seconds - earlier_s) / (count - earlier), 2)
    return means


def _known(settings: Settings) -> Settings:
    """With what the clients have to know of the broker."""
    builtin = ensure_topics(settings, create=False).is_builtin
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"builtin": builtin})})


def _wait_ready(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end:
        try:
            with DIRECT.open(url, timeout=ANSWER_S) as response:
                if "recommender" in json.load(response)["components"]:
                    return
        except OSError:
            pass  # not listening yet, or not ready (503)
        time.sleep(POLL_S)
    raise Unreachable(f"glowplug up is not ready within {START_S:.0f} s; its log stands above")
