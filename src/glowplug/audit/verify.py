"""Log, Redis and a fresh index compared: a report of everything that does not agree."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from glowplug.audit.finding import Finding, Pair
from glowplug.audit.list_checks import audit_lists
from glowplug.audit.log import TOPICS
from glowplug.audit.log_checks import log_findings
from glowplug.audit.snapshot import Progress, Snapshot, silent
from glowplug.audit.value_checks import audit_values
from glowplug.audit.world import World
from glowplug.settings import RankingSettings

LISTS_NEED = ("item_vectors", "item_stats", "user_vectors", "user_profiles", "user_states")
BUILTIN = (
    "the broker is the built-in one: it tells no offsets of groups and does not hide what was aborted, so a fault "
    "cannot be told from work in progress as surely as on Apache Kafka"
)


@dataclass(frozen=True, slots=True)
class Report:
    """differences: what nothing excuses. moving: what can be so while work is going on.
    log: digest of the topics. pairs: digests that should be equal. unchecked: what could not be judged, in words.
    """

    differences: tuple[Finding, ...]
    moving: tuple[Finding, ...]
    log: str
    pairs: tuple[Pair, ...]
    records: int
    values: int
    lists: int
    vectors: int
    unchecked: tuple[str, ...]

    def is_good(self, *, strict: bool = False) -> bool:
        return not self.differences and not (strict and self.moving)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def verify(snapshot: Snapshot, settings: RankingSettings, progress: Progress = silent) -> Report:
    """Pure but for `progress` (users done, of all)."""
    world = World(snapshot, settings)
    values = audit_values(world)
    unchecked = [BUILTIN] if snapshot.is_builtin else []
    lost = snapshot.gone(*TOPICS)
    if lost:
        told = ", ".join(f"{count:,} of {topic}" for topic, count in sorted(lost.items()))
        unchecked.append(f"the log no longer begins at its beginning (offsets gone: {told})")
    findings = [*log_findings(world), *values.findings]
    if snapshot.gone(*LISTS_NEED):
        unchecked.append("so lists, vectors and missing records were not judged: what they rest on may be gone")
        findings = [finding for finding in findings if not _rests_on_all(finding)]
        return _report(snapshot, findings, (values.pair,), values.values, 0, 0, unchecked)
    if world.refusal:
        unchecked.append(f"lists of the promoted head: {world.refusal}")
    lists = audit_lists(world, progress)
    findings += lists.findings
    unmarked = {user.partition for user in map(world.user, lists.made) if user is not None} - world.marks.keys()
    if unmarked:
        numbers = ", ".join(map(str, sorted(unmarked)))
        unchecked.append(f"user partitions without a mark yet, so that any item may still wait there: {numbers}")
    pairs = (values.pair, lists.pair)
    return _report(snapshot, findings, pairs, values.values, len(lists.made), lists.vectors, unchecked)


def _report(
    snapshot: Snapshot,
    findings: list[Finding],
    pairs: tuple[Pair, ...],
    values: int,
    lists: int,
    vectors: int,
    unchecked: list[str],
) -> Report:
    return Report(
        differences=tuple(finding for finding in findings if not finding.moving),
        moving=tuple(finding for finding in findings if finding.moving),
        log=snapshot.log.digest(),
        pairs=pairs,
        records=snapshot.log.records,
        values=values,
        lists=lists,
        vectors=vectors,
        unchecked=tuple(unchecked),
    )


def _rests_on_all(finding: Finding) -> bool:
    """What two topics say of one user: it needs all records of both."""
    return finding.check == "log" and finding.what in ("status", "list", "version", "items")
