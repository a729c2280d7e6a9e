"""Every error that Glowplug raises, by what has to happen next.

GlowplugError
├── Recoverable            try again: nothing is lost, nothing is decided
│   ├── BrokerUnavailable
│   ├── StoreUnavailable   (Redis)
│   │   └── StoreWiped     it answers, and what was in it is gone: start anew and fill it
│   └── ModelUnavailable   (the model, not one text, fails)
├── Poison                 this one record: to dead letters, and on with the next
│   ├── MissingKey         the record has no key, or it is empty
│   ├── KeyMismatch        the record's key is not the id inside
│   ├── MalformedJson      the bytes are no JSON in UTF-8
│   ├── SchemaViolation    a field is missing or is not what the schema says
│   ├── TooLarge           a text or list is over its limit, or the output would be
│   └── ModelRejected      the model fails on this text and on no other
└── Fatal                  stop, and say why in one sentence (its exit_code tells scripts)
    ├── BadSettings        a setting has no such name or no such value
    ├── BadTopics          a topic is missing or does not fit
    ├── WrongPartitioner   a key lies on a partition where no default consumer looks for it
    ├── PortInUse          somebody else listens where we would
    ├── ModelMissing       no model under this name, on this machine or in the hub
    ├── Unreachable        broker, Redis or model server cannot be reached at start
    ├── TooManyDeadLetters more records are invalid than the settings allow
    ├── NotInTime          what was waited for did not happen before its deadline
    ├── BadInputFile       a producer's file cannot be read, or a line of it is invalid
    └── NotPromoted        a head does not gain enough over what serves
"""

from __future__ import annotations

from typing import ClassVar

SHOWN_CHARS = 80  # enough to recognise a value, too little to flood a log with one


class GlowplugError(Exception):
    """The root. Its text is meant for a person: field, value, limit, fix."""


class Recoverable(GlowplugError):
    """The same work can succeed later, unchanged. `exit_code` is that of a command which cannot wait for it."""

    exit_code: ClassVar[int] = 75  # EX_TEMPFAIL


class BrokerUnavailable(Recoverable):
    pass


class StoreUnavailable(Recoverable):
    pass


class StoreWiped(StoreUnavailable):
    pass


class ModelUnavailable(Recoverable):
    pass


class Poison(GlowplugError):
    """One record can never succeed. `cause` is the dead letter's machine-readable reason."""

    cause: ClassVar[str] = "poison"


class MissingKey(Poison):
    cause = "missing_key"


class KeyMismatch(Poison):
    cause = "key_mismatch"


class MalformedJson(Poison):
    cause = "malformed_json"


class SchemaViolation(Poison):
    cause = "schema_violation"


class TooLarge(Poison):
    cause = "too_large"


class ModelRejected(Poison):
    cause = "model_rejected"


CAUSES: tuple[str, ...] = tuple(
    kind.cause for kind in (MissingKey, KeyMismatch, MalformedJson, SchemaViolation, TooLarge, ModelRejected)
)


class Fatal(GlowplugError):
    """The process must stop. `exit_code` is its exit status (sysexits.h where one fits)."""

    exit_code: ClassVar[int] = 1


class BadSettings(Fatal):
    exit_code = 78  # EX_CONFIG


class BadTopics(Fatal):
    exit_code = 65  # EX_DATAERR


class WrongPartitioner(Fatal):
    exit_code = 76  # EX_PROTOCOL


class PortInUse(Fatal):
    exit_code = 73  # EX_CANTCREAT


class ModelMissing(Fatal):
    exit_code = 66  # EX_NOINPUT


class Unreachable(Fatal):
    exit_code = 69  # EX_UNAVAILABLE


class TooManyDeadLetters(Fatal):
    exit_code = 70  # EX_SOFTWARE


class NotInTime(Fatal):
    exit_code = 75  # EX_TEMPFAIL


class BadInputFile(Fatal):
    exit_code = 65  # EX_DATAERR


class NotPromoted(Fatal):
    exit_code = 1


def shown(value: object) -> str:
    """`value` as it may stand in a message: one line, shortened, without control characters."""
    text = value if isinstance(value, str) else repr(value)
    line = "".join(char if char.isprintable() else "�" for char in text)
    return line if len(line) <= SHOWN_CHARS else f"{line[:SHOWN_CHARS]}… ({len(text)} characters)"
