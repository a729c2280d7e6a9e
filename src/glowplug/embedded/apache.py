"""A real Apache Kafka of one node on this machine, without Docker: started, stopped, killed and restarted."""

from __future__ import annotations

import atexit
import base64
import shutil
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from glowplug.embedded.apache_controller import ApacheController
from glowplug.embedded.apache_node import run_node
from glowplug.embedded.places import claim_port, free_port
from glowplug.embedded.process import Process
from glowplug.embedded.started import Started
from glowplug.errors import Unreachable

READY_S = 60.0  # three seconds on an idle machine; a loaded one gets twenty times as much
PROBE_S = 0.5  # one question to a broker that is not there yet
HEAP = "512m"  # 360 MB resident

ONE_NODE: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # 50 of each by default, each loaded on first use with half a second of waiting: one node gains nothing from it.
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
}
FAST_FAILURES: Final[Mapping[str, str]] = {
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "1000",
    "group.min.session.timeout.ms": "1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "log.cleaner.backoff.ms": "500",
    # After a kill the controller takes the node back only when its former session is over: 9 s by default. On two
    # busy cores a live one's heartbeat came two seconds late now and then, and all partitions lost their leader.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
}


class ApacheBroker(Started):
    """One broker. `bootstrap` is its address, the same after every restart.

    data_dir:         kept when given, else a temporary folder that `stop` removes.
    properties:       of server.properties, over ours.
    fast_failures:    short timeouts, for tests that wait for a session or a transaction to end.
    port:             0 for any free one.
    controller_apart: in a process of its own, as in a cluster, so that transactions survive `kill`. A single node
                      that is killed goes on as the leader that it was until its own controller finds that dead and
                      leaves all partitions without a leader; for Kafka 4.3 they are deleted then, and it ends
                      transactions without the markers in them: committed offsets get lost, aborted records visible.
    Raises Unreachable when Java or the jars are missing or the broker does not come up; PortInUse.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        properties: Mapping[str, str] | None = None,
        fast_failures: bool = False,
        port: int = 0,
        controller_apart: bool = False,
    ) -> None:
        self._port = claim_port(port, "Apache Kafka", "--kafka-port")
        self._own_dir = data_dir is None
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="glowplug-kafka-"))
        self._properties = {**ONE_NODE, **(FAST_FAILURES if fast_failures else {}), **(properties or {})}
        self._cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        self._cluster = self._cluster.replace("-", "A")  # an id that begins with a dash reads as an option
        self._controller = (
            ApacheController(self.data_dir / "controller", self._cluster, self._properties)
            if controller_apart
            else None
        )
        self._controller_port = 0 if self._controller else free_port()
        self._fencings: int | None = None  # the controller's count, when the broker was killed
        self._process: Process | None = None
        self.bootstrap = f"127.0.0.1:{self._port}"
        atexit.register(self.stop)

    @property
    def log(self) -> Path:
        return self.data_dir / "broker.log"

    @property
    def pid(self) -> int:
        """Of the Java process: for those who send it signals."""
        if self._process is None:
            raise RuntimeError("the broker is not running")
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def start(self) -> None:
        """Returns when the broker answers."""
        if self._process is not None:
            return
        if self._controller is not None:
            self._controller.start()
            if self._fencings is not None:
                self._controller.wait_fenced(self._fencings)
                self._fencings = None
        self._process = run_node(
            self.data_dir, self._server_properties(), cluster=self._cluster, heap=HEAP, output=self.log
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """A clean shutdown. Our own data folder goes with it."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        if self._controller is not None:
            self._controller.stop()
        if self._own_dir:
            shutil.rmtree(self.data_dir, ignore_errors=True)
        atexit.unregister(self.stop)

    def kill(self) -> None:
        """As a power cut: SIGKILL. The data stays for `start`."""
        if self._process is not None:
            self._fencings = self._controller.fencings() if self._controller is not None else None
            self._process.kill()
            self._process = None

    def restart(self, *, kill: bool = False) -> None:
        """Down and up again on the same data and port; `kill`: without a clean shutdown."""
        if kill or self._process is None:
            self.kill()
        else:
            self._process.stop()
            self._process = None
        self.start()

    def _server_properties(self) -> dict[str, str]:
        own = f"PLAINTEXT://127.0.0.1:{self._port}"
        if self._controller is not None:
            alone = {"process.roles": "broker", "controller.quorum.voters": self._controller.voter}
            return {**self._properties, "listeners": own, **alone}
        return {
            "listeners": f"{own},CONTROLLER://127.0.0.1:{self._controller_port}",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            **self._properties,
        }

    def _wait_until_ready(self) -> None:
        assert self._process is not None  # noqa: S101  set by the caller
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.ms": 50})
        deadline = time.monotonic() + READY_S
        while True:
            if not self._process.is_alive():
                raise Unreachable(f"Apache Kafka ended while it started: {self._process.last_words()}")
            try:
                if client.list_topics(timeout=PROBE_S).brokers:
                    self._warm_up()
                    return
            except KafkaException:
                if time.monotonic() > deadline:
                    raise Unreachable(
                        f"Apache Kafka did not answer on {self.bootstrap} within {READY_S:.0f} s: "
                        f"{self._process.last_words()}"
                    ) from None

    def _warm_up(self) -> None:
        """The transaction log is made by whoever asks first, who waits a second for it: we, before we are ready."""
        first = {"transactional.id": "glowplug-warm-up", "retry.backoff.ms": 20, "log_level": 0}
        Producer({"bootstrap.servers": self.bootstrap, **first}).init_transactions(READY_S)
