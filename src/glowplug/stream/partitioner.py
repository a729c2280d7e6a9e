"""Whether inputs that have to meet do meet: all records of one key lie in the partition that murmur2 names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from glowplug.errors import WrongPartitioner, shown
from glowplug.stream.clients import murmur2_partition
from glowplug.stream.reader import Names
from glowplug.stream.step import Record


def check_partitions(records: Iterable[Record], partitions: Mapping[str, int], names: Names) -> None:
    """Raises WrongPartitioner for the first record that no other topic's record of the same key would meet.

    partitions: by logical topic. Records without a key are nobody's, and pass.
    """
    for record in records:
        if not record.key:
            continue
        expected = murmur2_partition(record.key, partitions[record.topic])
        if expected != record.partition:
            key = record.key.decode(errors="replace")
            or_else = ", or kafka.rekey_interactions = true" if record.topic == "interactions" else ""
            raise WrongPartitioner(
                f"topic {names.cluster(record.topic)}: key {shown(key)} lies in partition "
                f"{record.partition} (offset {record.offset}), Kafka's default partitioner puts it in {expected}, "
                f"where the other topics have it: set partitioner=murmur2_random in the producer that writes it"
                f"{or_else}"
            )
