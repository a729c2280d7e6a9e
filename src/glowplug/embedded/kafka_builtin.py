"""librdkafka's built-in broker, in this process: a log in memory for a first run, and proof of nothing.

Measured on librdkafka 2.16: KIP-848 groups with `range`, transactions (1.6 ms) and marker-sized gaps in offsets
work. `committed()` is always OFFSET_INVALID, for offsets sent with a transaction are dropped; those of a plain
commit are kept. Both isolation levels see the same end, and aborted records are shown to both. Its metadata knows
no topic ids; describe_topics, describe_configs, create_topics and delete_topics are never answered. A metadata
request that names an absent topic creates it with 4 partitions. Its cluster id begins with CLUSTER_ID.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import confluent_kafka
from confluent_kafka import Producer

from glowplug.embedded.forwarder import Forwarder
from glowplug.embedded.places import claim_port
from glowplug.embedded.started import Started
from glowplug.errors import Unreachable

CLUSTER_ID = "mockCluster"
PARTITIONS = 16  # it keeps 5 MB a partition: 20,000 records of 1.5 kB lose a third in 4 of them, none in 16
LIMITS = (
    "librdkafka's built-in broker: in memory, in this process, about 5 MB per partition, then the oldest records "
    "go; no compaction, no memory of a restart. For trying things out; for anything else use --broker apache "
    "or --bootstrap-servers."
)

RD_KAFKA_PRODUCER = 0
TOPIC_ALREADY_EXISTS = 36
ERROR_BYTES = 512  # as librdkafka's own examples
ASK_S = 5.0


class BuiltinBroker(Started):
    """One broker of this process, reachable from others at `bootstrap`.

    port: 0 for whichever the library picks. Raises PortInUse, and Unreachable where it does not start.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = claim_port(port, "the built-in Kafka broker", "--kafka-port") if port else 0
        self._cluster: _Cluster | None = None
        self._forwarder: Forwarder | None = None
        self.bootstrap = ""

    def start(self) -> None:
        library = _library()
        self._cluster = _Configured() if library is None else _Called(library)
        self.bootstrap = self._cluster.bootstrap
        if self._port:
            # The library's port cannot be chosen. Only bootstrapping passes here: metadata names the real one.
            self._forwarder = Forwarder(self._port, int(self.bootstrap.rpartition(":")[2]))
            self.bootstrap = f"127.0.0.1:{self._port}"

    def create_topics(self, names: Iterable[str], partitions: int = PARTITIONS) -> None:
        """What exists already stays as it is."""
        if self._cluster is None:
            raise RuntimeError("the broker is not running")
        for name in names:
            self._cluster.create(name, partitions)

    def stop(self) -> None:
        """Everything in it is gone. Close clients first: they would go on asking for it."""
        if self._forwarder is not None:
            self._forwarder.close()
            self._forwarder = None
        if self._cluster is not None:
            self._cluster.destroy()
            self._cluster = None


class _Cluster(Protocol):
    bootstrap: str

    def create(self, name: str, partitions: int) -> None: ...

    def destroy(self) -> None: ...


class _Called:
    """Through the library's rd_kafka_mock_* functions: the number of partitions can be chosen."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        conf = library.rd_kafka_conf_new()
        error = ctypes.create_string_buffer(ERROR_BYTES)
        library.rd_kafka_conf_set(conf, b"log_level", b"0", error, ERROR_BYTES)  # else it writes to stderr
        self._client = library.rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, ERROR_BYTES)
        self._handle = library.rd_kafka_mock_cluster_new(self._client, 1) if self._client else None
        if not self._handle:
            raise Unreachable(
                f"the built-in Kafka broker does not start ({error.value.decode('utf-8', 'replace')}); "
                "use --broker apache or --bootstrap-servers"
            )
        self.bootstrap: str = library.rd_kafka_mock_cluster_bootstraps(self._handle).decode("ascii")

    def create(self, name: str, partitions: int) -> None:
        code = self._library.rd_kafka_mock_topic_create(self._handle, name.encode("utf-8"), partitions, 1)
        if code not in (0, TOPIC_ALREADY_EXISTS):
            raise Unreachable(f"the built-in Kafka broker refuses the topic {name!r} (librdkafka error {code})")

    def destroy(self) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._handle)
        self._library.rd_kafka_destroy(self._client)


class _Configured:
    """Through a client's configuration, where the library cannot be called: every topic has 4 partitions."""

    def __init__(self) -> None:
        self._client = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self._client.list_topics(timeout=ASK_S).brokers.values()
        self.bootstrap = f"{broker.host}:{broker.port}"

    def create(self, name: str, partitions: int) -> None:  # noqa: ARG002  cannot be chosen
        self._client.list_topics(name, timeout=ASK_S)

    def destroy(self) -> None:
        self._client.close()


def _library() -> ctypes.CDLL | None:
    """The librdkafka that confluent_kafka itself has loaded, with the functions used here declared."""
    folder = Path(confluent_kafka.__file__).parent
    bundled = [
        *(folder.parent / "confluent_kafka.libs").glob("librdkafka*"),
        *(folder / ".dylibs").glob("librdkafka*"),
    ]
    path = str(bundled[0]) if bundled else ctypes.util.find_library("rdkafka")
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    try:
        library = ctypes.CDLL(path) if path else None
        if library is None:
            return None
        for name, result, arguments in (
            ("rd_kafka_conf_new", pointer, []),
            ("rd_kafka_conf_set", number, [pointer, text, text, text, ctypes.c_size_t]),
            ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
            ("rd_kafka_destroy", None, [pointer]),
            ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
            ("rd_kafka_mock_cluster_destroy", None, [pointer]),
            ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
            ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):  # not loadable, or built without its test functions
        return None
    return library
