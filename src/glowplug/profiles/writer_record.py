"""From what a model inferred to the records that say it: evidence checked against the input, vectors of claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from glowplug.errors import ModelRejected, TooLarge, shown
from glowplug.events import MAX_TITLE_CHARS, Claim, Embedding, Evidence, UserProfile
from glowplug.inference.bisect import Outcome
from glowplug.profiles.model import Claimed, Inferred, Subject
from glowplug.profiles.pending import Job
from glowplug.text.hashes import content_hash, template_hash
from glowplug.text.statements import weighted_mean
from glowplug.vectors import Half, Vector, pack

COMPOSING = 1  # raise it when the same claims come to give other vectors
MOST_CLAIMS = 64  # of one kind: a sign-up text has a handful, and each has a vector of its own in the record
EVIDENCE_CHARS = MAX_TITLE_CHARS  # of one claim in the record: nobody needs more words to recognise their own
TEMPLATE = template_hash(COMPOSING, "profile", MOST_CLAIMS)


@dataclass(frozen=True, slots=True)
class Embedded:
    """interests, avoid: float16 (dim,) of unit length, one for each claim; None where the encoder fails on it."""

    interests: tuple[Half | None, ...] = ()
    avoid: tuple[Half | None, ...] = ()


def founded(subject: Subject, inferred: Inferred) -> Inferred:
    """Without the claims whose span is not in the input: they are counted as unfounded."""
    texts = dict(subject.fields)

    def kept(claims: tuple[Claimed, ...]) -> tuple[Claimed, ...]:
        return tuple(claim for claim in claims if _bears(texts, claim))

    found = replace(
        inferred,
        interests=kept(inferred.interests),
        preferences=kept(inferred.preferences),
        avoid=kept(inferred.avoid),
        attributes=kept(inferred.attributes),
    )
    return replace(
        found,
        interests=found.interests[:MOST_CLAIMS],
        preferences=found.preferences[:MOST_CLAIMS],
        avoid=found.avoid[:MOST_CLAIMS],
        attributes=found.attributes[:MOST_CLAIMS],
        unfounded=inferred.unfounded + _count(inferred) - _count(found),
    )


def _count(inferred: Inferred) -> int:
    return sum(map(len, (inferred.interests, inferred.preferences, inferred.avoid, inferred.attributes)))


def phrases(inferred: Inferred) -> tuple[str, ...]:
    """What has to be encoded for `embedded`: the labels, which say what items call it. The user's own words are in
    the list already, by user-vectors: mixed in here at a half, a quarter or nothing they gave nDCG@10 of .58, .61
    and .62 on the 49 bios of bench/profiles that are for tuning, against .43 without a profile."""
    return tuple(dict.fromkeys(_phrase(claim) for claim in (*inferred.interests, *inferred.avoid)))


def embedded(inferred: Inferred, vectors: Mapping[str, Outcome]) -> Embedded:
    """vectors: of each phrase, or why there is none."""

    def of(claims: Sequence[Claimed]) -> tuple[Half | None, ...]:
        rows = (vectors[_phrase(claim)] for claim in claims)
        return tuple(None if isinstance(row, ModelRejected) else row.astype(np.float16) for row in rows)

    return Embedded(of(inferred.interests), of(inferred.avoid))


def pending(job: Job, before: UserProfile | None, now: datetime) -> UserProfile:
    """Says that the input waits. before: the user's record until now: what was read in an earlier text still holds,
    and compaction will leave no other record of it."""
    held = before or UserProfile(user_id=job.id, state="pending", source=job.source, generated_at=now)
    changed = {"state": "pending", "content": job.content, "source": job.source, "generated_at": now}
    return held.model_copy(update=changed)


def ready(
    job: Job, inferred: Inferred, vectors: Embedded, *, model: str, encoder: str, now: datetime
) -> UserProfile:
    """The user's profile as a record. model, encoder: fingerprints."""
    subject = job.subject
    return UserProfile(
        user_id=job.id,
        state="ready",
        model=model,
        content=job.content,
        interests=_claims(subject, inferred.interests, vectors.interests),
        preferences=_claims(subject, inferred.preferences),
        avoid=_claims(subject, inferred.avoid),
        summary=inferred.summary,
        languages=inferred.languages,
        confidence=inferred.confidence,
        vector=_packed_mean(inferred.interests, vectors.interests),
        avoid_vector=_packed_mean(inferred.avoid, vectors.avoid),
        embedding=Embedding(fingerprint=encoder, template=TEMPLATE, content=content_hash(phrases(inferred))),
        source=job.source,
        generated_at=now,
    )


def encoded(profile: UserProfile, limit: int) -> bytes:
    """Raises TooLarge above `limit` bytes, stream.max_record_bytes."""
    value = profile.model_dump_json().encode()
    if len(value) > limit:
        raise TooLarge(
            f"user_profiles: the profile of {shown(profile.user_id)} has {len(value)} bytes, the limit "
            f"stream.max_record_bytes is {limit}"
        )
    return value


def attributes(subject: Subject, inferred: Inferred) -> tuple[Claim, ...]:
    """Of an item."""
    return _claims(subject, inferred.attributes)


def inferred_again(profile: UserProfile) -> Inferred:
    """What a ready record says, as it came from the model."""

    def back(claims: Sequence[Claim]) -> tuple[Claimed, ...]:
        return tuple(
            Claimed(one.label, one.weight, one.evidence.field, one.evidence.start, one.evidence.end)
            for one in claims
        )

    return Inferred(
        interests=back(profile.interests),
        preferences=back(profile.preferences),
        avoid=back(profile.avoid),
        summary=profile.summary,
        languages=profile.languages,
        confidence=profile.confidence,
    )


def _bears(texts: Mapping[str, str], claim: Claimed) -> bool:
    text = texts.get(claim.field, "")
    is_label = claim.label.strip() and len(claim.label) <= MAX_TITLE_CHARS
    return bool(is_label) and 0 <= claim.start < claim.end <= len(text) and 0 < claim.weight <= 1


def _words(subject: Subject, claim: Claimed) -> str:
    text = dict(subject.fields)[claim.field]
    return text[claim.start : min(claim.end, claim.start + EVIDENCE_CHARS)]


def _phrase(claim: Claimed) -> str:
    return claim.label.replace("-", " ")


def _packed_mean(claims: Sequence[Claimed], vectors: Sequence[Half | None]) -> Vector | None:
    terms = [(claim.weight, row) for claim, row in zip(claims, vectors, strict=True) if row is not None]
    mean = weighted_mean([row for _, row in terms], [weight for weight, _ in terms])
    return None if mean is None else pack(mean)


def _claims(
    subject: Subject, claims: Sequence[Claimed], vectors: Sequence[Half | None] | None = None
) -> tuple[Claim, ...]:
    rows = vectors or [None] * len(claims)
    return tuple(
        Claim(
            label=claim.label,
            weight=claim.weight,
            evidence=Evidence(field=claim.field, start=claim.start, end=claim.end, text=_words(subject, claim)),
            vector=None if row is None else pack(row),
        )
        for claim, row in zip(claims, rows, strict=True)
    )
