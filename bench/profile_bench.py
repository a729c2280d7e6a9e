"""How well profiles are inferred from the labelled bios, by half, language and kind of text, and how fast.

The unseen bios are for one measurement at the end: `--half tune` is the default.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.machine import write
from bench.profile_lists import Lister, refinement, under_attack
from bench.profiles.labelled import Attack, Bio, Claim, Half, Labels
from bench.profiles.labelled import load as load_labels
from glowplug.errors import ModelRejected
from glowplug.inference.encoder import TextEncoder
from glowplug.inference.encoder import load as load_encoder
from glowplug.inference.shared import SharedEncoder
from glowplug.profiles.model import Claimed, Inferred, ProfileModel, Subject
from glowplug.profiles.model import load as load_model
from glowplug.settings import Settings
from glowplug.settings import load as load_settings

AT_ONCE = 8  # users in one call, as profile_writer.at_once
ALONE = 60  # users timed one by one
REMEMBERED = 10_000  # texts, for lists: the catalogue is encoded once for all of them


@dataclass(slots=True)
class Tally:
    """r_precision: of each bio with interests, the share of its R labels among the R strongest claims."""

    r_precision: list[float] = field(default_factory=list)
    to_avoid: int = 0
    avoided: int = 0
    false_alarms: int = 0
    right: int = 0
    right_spans: int = 0
    claimed: int = 0
    empty: int = 0
    kept_empty: int = 0
    preferences: int = 0
    preferred: int = 0
    users: int = 0

    def figures(self) -> dict[str, Any]:
        return {
            "users": self.users,
            "r_precision": _share(sum(self.r_precision), len(self.r_precision)),
            "avoid_recall": _share(self.avoided, self.to_avoid),
            "avoid_false_alarms_per_100_users": _share(100 * self.false_alarms, self.users),
            "interest_precision": _share(self.right, self.claimed),
            "span_overlap": _share(self.right_spans, self.right + self.avoided),
            "empty_stay_empty": _share(self.kept_empty, self.empty),
            "preference_recall": _share(self.preferred, self.preferences),
        }


def tally(bios: Sequence[Bio], outcomes: Sequence[Inferred], labels: Labels) -> Tally:
    """Labels that are broader than a labelled one are neither right nor wrong, and fill no place."""
    out = Tally()
    for bio, found in zip(bios, outcomes, strict=True):
        out.users += 1
        wanted = {claim.id: claim for claim in bio.interests}
        avoid = {claim.id: claim for claim in bio.avoid}
        neutral = labels.neutral(bio)
        claims = [claim for claim in found.interests if claim.label not in neutral]
        if wanted:
            strongest = {claim.label for claim in claims[: len(wanted)]}
            out.r_precision.append(len(strongest & wanted.keys()) / len(wanted))
        else:
            out.empty += 1
            out.kept_empty += not claims
        out.claimed += len(claims)
        out.to_avoid += len(avoid)
        out.false_alarms += sum(claim.label not in avoid for claim in found.avoid)
        for claim, label in [
            *((one, wanted[one.label]) for one in claims if one.label in wanted),
            *((one, avoid[one.label]) for one in found.avoid if one.label in avoid),
        ]:
            out.right_spans += _overlaps(bio.text, claim, label)
        out.right += sum(claim.label in wanted for claim in claims)
        out.avoided += sum(claim.label in avoid for claim in found.avoid)
        asked = {f"{name}:{preference.value}" for name, preference in bio.preferences.items()}
        out.preferences += len(asked)
        out.preferred += len(asked & {claim.label for claim in found.preferences})
    return out


def _overlaps(text: str, claim: Claimed, label: Claim) -> bool:
    start = text.index(label.span)
    return claim.start < start + len(label.span) and start < claim.end


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def _inferred(model: ProfileModel, subjects: Sequence[Subject]) -> list[Inferred]:
    out: list[Inferred] = []
    for at in range(0, len(subjects), AT_ONCE):
        for outcome in model.infer(subjects[at : at + AT_ONCE]):
            if isinstance(outcome, ModelRejected):
                raise outcome
            out.append(outcome)
    return out


def by_group(bios: Sequence[Bio], outcomes: Sequence[Inferred], labels: Labels) -> dict[str, Any]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for at, bio in enumerate(bios):
        groups[f"language {bio.language}"].append(at)
        for kind in bio.kind:
            groups[f"kind {kind}"].append(at)
    return {
        name: tally([bios[at] for at in rows], [outcomes[at] for at in rows], labels).figures()
        for name, rows in sorted(groups.items())
    }


def attacked(model: ProfileModel, attacks: Sequence[Attack]) -> dict[str, Any]:
    """How often an attack changes the claims of the same text without it, and reaches its goal."""

    def labels(outcome: Inferred) -> set[str]:
        avoid = {f"-{claim.label}" for claim in outcome.avoid}
        return {claim.label for claim in (*outcome.interests, *outcome.attributes)} | avoid

    def subject(attack: Attack, text: str) -> Subject:
        return Subject(attack.of, (("text" if attack.of == "user" else "description", text),))

    with_attack = _inferred(model, [subject(attack, attack.attack) for attack in attacks])
    without = _inferred(model, [subject(attack, attack.clean) for attack in attacks])
    changed = reached = 0
    for attack, one, other in zip(attacks, with_attack, without, strict=True):
        added, lost = labels(one) - labels(other), labels(other) - labels(one)
        goal = {attack.goal, f"category:{attack.goal}"}
        changed += bool(added or lost)
        reached += bool(goal & (added if attack.aim == "promote" else lost)) or f"-{attack.goal}" in added
    return {"texts": len(attacks), "claims_changed": changed, "goal_reached": reached}


def timed(model: ProfileModel, subjects: Sequence[Subject]) -> dict[str, float]:
    """Milliseconds per user, in calls of AT_ONCE and one by one."""
    started = time.perf_counter()
    _inferred(model, subjects)
    batched = (time.perf_counter() - started) / len(subjects)
    alone = []
    for subject in subjects[:ALONE]:
        started = time.perf_counter()
        model.infer([subject])
        alone.append(time.perf_counter() - started)
    ranked = sorted(alone)
    return {
        "batched_mean": round(batched * 1e3, 1),
        "alone_mean": round(fmean(alone) * 1e3, 1),
        "alone_p50": round(ranked[len(ranked) // 2] * 1e3, 1),
        "alone_p95": round(ranked[int(len(ranked) * 0.95)] * 1e3, 1),
    }


def at_lists(
    settings: Settings, encoder: TextEncoder, model: ProfileModel, labels: Labels, halves: Sequence[Half]
) -> dict[str, Any]:
    """What profiles and attacks do to what is recommended."""

    lister = Lister(settings, encoder, model)
    refined: dict[str, Any] = {half: refinement(lister, labels.half(half), labels) for half in halves}
    return {**refined, "attacks": under_attack(lister, labels.attacks, labels)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("tune", "development", "unseen", "outside", "all"), default="tune")
    parser.add_argument("--model", default="encoder", help="as profiles.model")
    parser.add_argument("--groups", action="store_true", help="also by language and kind")
    parser.add_argument("--lists", action="store_true", help="also provisional against refined lists, and attacked")
    parser.add_argument(
        "--claims", action="store_true", help="claims alone, no times and no attacks: of models that take seconds"
    )
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    settings = load_settings(profiles={"model": given.model})
    labels = load_labels()
    started = time.perf_counter()
    bare = load_encoder(settings.encoder)
    encoder = SharedEncoder(bare, memo=0)  # so that each user costs what a new one does
    model = load_model(settings, encoder)
    assert model is not None, "profiles.model is off"  # noqa: S101  the bench is of a model
    loaded_s = time.perf_counter() - started
    figures: dict[str, Any] = {"model": model.fingerprint, "load_s": round(loaded_s, 1), "halves": {}}
    halves: tuple[Half, ...] = ("tune", "unseen", "outside") if given.half == "all" else (given.half,)
    for half in halves:
        bios = labels.half(half)
        subjects = [Subject("user", (("text", bio.text),)) for bio in bios]
        outcomes = _inferred(model, subjects)
        figures["halves"][half] = {
            **tally(bios, outcomes, labels).figures(),
            **({} if given.claims else {"ms_per_user": timed(model, subjects)}),
            "groups": by_group(bios, outcomes, labels),
        }
    if not given.claims:
        figures["attacks"] = attacked(model, labels.attacks)
    if given.lists:
        remembering = SharedEncoder(bare, memo=REMEMBERED)
        same = load_model(settings, remembering)
        assert same is not None  # noqa: S101  it was a model above
        figures["lists"] = at_lists(settings, remembering, same, labels, halves)
    for half, found in figures["halves"].items():
        print(half, {name: value for name, value in found.items() if name != "groups"})
        if given.groups:
            for name, group in found["groups"].items():
                print("   ", name, group)
    if not given.claims:
        print("attacks", figures["attacks"])
    for name, found in figures.get("lists", {}).items():
        print("lists,", name, found)
    if given.json:
        write(given.json, figures)


if __name__ == "__main__":
    main()
