"""A profile model of a few words, and the profile writer driven without a broker."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

from consumers.profile_writer import ProfileWriter
from glowplug.errors import GlowplugError, ModelRejected
from glowplug.inference.fake import FakeEncoder
from glowplug.profiles.model import Claimed, Inferred, Subject
from glowplug.settings import load
from glowplug.stream.main import run_alone
from glowplug.stream.step import Outgoing, Record
from tests.support.drive import Driver
from tests.support.events import at

CLAIM = re.compile(r"\b(?P<no>no |hates? )?(?P<label>jazz|horror|chess|hiking|cooking)\b")


class Words:
    """Every CLAIM in a text is an interest, or with "no" or "hate" before it something to avoid.

    asked: the texts that it read, in order. raises: what every call raises while it is set.
    """

    def __init__(self, fingerprint: str = "words:1") -> None:
        self.fingerprint = fingerprint
        self.asked: list[str] = []
        self.calls: list[int] = []
        self.raises: Exception | None = None
        self.rejects = "\x00"  # a text with this is rejected
        self.breaks = "\x00"  # a text with this makes the whole call fail
        self.extra: tuple[Claimed, ...] = ()
        self.open = threading.Event()
        self.open.set()  # cleared, a call waits at the door

    def infer(self, subjects: Sequence[Subject]) -> list[Inferred | ModelRejected]:
        self.calls.append(len(subjects))
        assert self.open.wait(30)
        if self.raises is not None:
            raise self.raises
        if any(self.breaks in text for subject in subjects for _, text in subject.fields):
            raise RuntimeError("no such token")
        return [self._one(subject) for subject in subjects]

    def _one(self, subject: Subject) -> Inferred | ModelRejected:
        text = subject.fields[0][1]
        self.asked.append(text)
        if self.rejects in text:
            return ModelRejected("this one")
        found = [
            (bool(match["no"]), Claimed(match["label"], 1.0, name, match.start("label"), match.end("label")))
            for name, text in subject.fields
            for match in CLAIM.finditer(text)
        ]
        if subject.kind == "item":
            return Inferred(attributes=tuple(claim for _, claim in found))
        return Inferred(
            interests=(*(claim for is_not, claim in found if not is_not), *self.extra),
            avoid=tuple(claim for is_not, claim in found if is_not),
            confidence=1.0 if found else 0.0,
        )


class Writing:
    """A profile writer of partition 0, whose desk works when it is told to, at the time that the driver has."""

    def __init__(
        self,
        model: Words | None = None,
        *,
        encoder: FakeEncoder | None = None,
        after: Writing | None = None,
        stream: dict[str, Any] | None = None,
        domains: dict[str, Any] | None = None,
        **writer: Any,
    ) -> None:
        """after: a predecessor, whose committed log is restored."""
        self.model = model or Words()
        settings = load(profile_writer={"at_once": 2, **writer}, stream=stream or {}, domains=domains or {})
        self.step = ProfileWriter(
            settings,
            encoder or FakeEncoder(),
            self.model,
            is_threaded=False,
            clock=lambda: self.driver.monotonic,
        )
        self.driver: Driver = Driver(self.step, after=after.driver if after else None)
        self.inputs: list[Record] = list(after.inputs) if after else []
        self.written: list[Outgoing] = list(after.written) if after else []
        if after is not None:
            self.driver.monotonic = after.driver.monotonic
            self.step.restore(self.inputs)
            self.step.absorb(
                [
                    Record("user_profiles", 0, number, 0, one.key.encode(), one.value, one.headers)
                    for number, one in enumerate(self.written)
                ]
            )
            self.step.assigned(frozenset({0}))

    def user(self, name: str, text: str = "", **more: Any) -> Record:
        number = len(self.inputs)
        event = {
            "type": "user.created",
            "event_id": f"{name} {number} {text}",
            "event_time": at(),
            "user_id": name,
            "text": text,
        }
        return self.driver.record("users", name, event | more)

    def gone(self, name: str) -> Record:
        return self.driver.record("users", name, None)

    def feed(self, *records: Record) -> list[Outgoing]:
        """One committed batch."""
        out = self.driver.feed(*records)
        self.inputs += records
        self.written += out
        return out

    def settle(self) -> list[Outgoing]:
        """All that the desk can do now, and what comes of it."""
        while len(self.step.desk) and not self.step.desk.pause_s():
            self.step.desk.work()
        return self.settle_done()

    def settle_done(self) -> list[Outgoing]:
        """What comes of all that the desk has done."""
        out = self.driver.settle()
        self.written += out
        return out

    def states(self) -> list[tuple[str, str | None]]:
        """User and state of everything written, oldest first; None: a tombstone."""
        return [(key, value and value["state"]) for key, value in self.driver.values("user_profiles")]

    def profile(self, name: str) -> Any:
        return self.driver.latest("user_profiles")[name]


def failing(error: GlowplugError) -> Words:
    model = Words()
    model.raises = error
    return model


def main() -> None:
    """`python -m tests.support.profiling`: the profile writer in a process of its own, to be killed."""
    run_alone(lambda settings: ProfileWriter(settings, FakeEncoder(), Words()))


if __name__ == "__main__":
    main()
