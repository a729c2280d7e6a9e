"""The headers of a dead letter: where its record came from, and why it is there."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from glowplug.errors import CAUSES

Decimal = Annotated[str, Field(pattern=r"^-?[0-9]+$")]


def _header(name: str) -> str:
    return f"glowplug-{name.replace('_', '-')}"


class DeadLetterHeaders(BaseModel):
    """Headers of a record in dead-letters, as UTF-8 text. The record keeps its original key, value and headers."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=_header)

    # Not an enum: a cause that comes later must not break who reads these today.
    cause: Annotated[str, Field(description=f"for programs: {', '.join(CAUSES)}; expect further ones")]
    message: Annotated[str, Field(description="for people: field, value, limit, fix")]
    topic: Annotated[str, Field(description="the topic that the record came from")]
    partition: Annotated[Decimal, Field(description="its partition there")]
    offset: Annotated[Decimal, Field(description="its offset there")]
    timestamp: Annotated[Decimal, Field(description="its timestamp there, milliseconds since 1970; -1: none")]
    consumer: Annotated[str, Field(description="the consumer that refused it")]
    version: Annotated[str, Field(description="the version of Glowplug that refused it")]
    omitted_bytes: Annotated[
        Decimal | None, Field(description="length of the original value where the topic could not hold it")
    ] = None


def header_names() -> tuple[str, ...]:
    """All header names as they stand on the record."""
    return tuple(str(field.alias) for field in DeadLetterHeaders.model_fields.values())
