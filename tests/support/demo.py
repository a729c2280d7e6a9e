"""A profile of what a user wrote, for the demo's screens."""

from __future__ import annotations

from datetime import UTC, datetime

from glowplug.events import Claim, Evidence, Source, UserProfile, UserUpsert

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
Claims = tuple[tuple[str, str], ...]  # (label, words of the text)


def profile_of(
    user: UserUpsert, interests: Claims = (), avoid: Claims = (), preferences: Claims = ()
) -> UserProfile:
    """Ready, and of the user's event."""
    return UserProfile(
        user_id=user.user_id,
        state="ready",
        interests=_claims(user.text, interests),
        avoid=_claims(user.text, avoid),
        preferences=_claims(user.text, preferences),
        source=Source(
            topic="users", partition=0, offset=0, version=0, event_id=user.event_id, event_time=user.event_time
        ),
        generated_at=NOW,
    )


def _claims(text: str, claims: Claims) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            label=label,
            weight=1,
            evidence=Evidence(
                field="text", start=text.index(words), end=text.index(words) + len(words), text=words
            ),
        )
        for label, words in claims
    )
