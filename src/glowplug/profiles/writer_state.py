"""What the profile writer knows of each user, and what a batch changes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from sys import intern

from glowplug.events import UserProfile
from glowplug.profiles.pending import Job
from glowplug.profiles.writer_desk import Done
from glowplug.stream.step import Outgoing, Record
from glowplug.text.known import Maker
from glowplug.text.lineage import Lineage


@dataclass(frozen=True, slots=True)
class Profiled:
    """One user, as glowplug.text.known.Applied. value: the latest record, as published; None: deleted."""

    version: int
    made_by: Maker | None
    is_pending: bool = False
    content: str = ""
    value: bytes | None = None


@dataclass(slots=True)
class Draft:
    """A batch's changes, applied once they are committed. settled: results that nobody needs after this batch."""

    known: dict[str, Profiled] = field(default_factory=dict)
    outgoing: dict[str, Outgoing] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    settled: list[Done] = field(default_factory=list)
    stale: int = 0
    saved: int = 0
    late: int = 0
    rejected: int = 0


def recalled(record: Record, lineage: Lineage, maker: Maker) -> Profiled | None:
    """What an earlier output says; None for what the profile writer cannot have written: such a user is as if new.

    maker: model and vector space of today, by which whatever is pending will be made. Raises BadTopics.
    """
    if record.value is None:
        version = lineage.buried(record)
        return None if version is None else Profiled(version, None)
    try:
        profile = UserProfile.model_validate_json(record.value)
    except ValueError:
        return None
    version = lineage.comparable(profile.source.version, profile.source.topic_id)
    is_pending, embedding = profile.state == "pending", profile.embedding
    if is_pending:  # it will be made by the model of today, whichever it was meant for
        made_by = maker
    else:
        made_by = intern(profile.model), space(embedding.fingerprint, embedding.template) if embedding else ""
    return Profiled(version, made_by, is_pending, profile.content, record.value)


def space(encoder: str, template: str) -> str:
    """Where vectors of claims can be compared. encoder: its fingerprint. Interned: millions of users share one."""
    return intern(f"{encoder} {template}")
