"""The profile model that is a language model in this process: every answer parses, and quotes words of its text."""

from __future__ import annotations

import json
from collections.abc import Sequence

from glowplug.errors import BadSettings, ModelMissing, ModelRejected
from glowplug.inference.encoder import fingerprint
from glowplug.inference.engine import Engine
from glowplug.inference.generation import Answer, Request
from glowplug.profiles.answers import MOST_CLAIMS, SAYS, Kind, Names, messages, names, prompt_parts, understood
from glowplug.profiles.legible import Legible, legible
from glowplug.profiles.model import Inferred, Subject
from glowplug.profiles.taxonomy import Taxonomy
from glowplug.settings import Settings

HOLE = "\ue000"  # as in language_model, which takes seconds to import
WORDS_CHARS = 80  # of one quotation
NOTHING = Inferred()


class GenerateProfileModel:
    """Safe to call from many threads: all their texts are answered together, users' before items'."""

    def __init__(self, engine: Engine, model: str, taxonomy: Taxonomy) -> None:
        """model: name and revision, for the fingerprint."""
        self._engine = engine
        self._names: Names = names(taxonomy)
        identity = {"model": model, "prompt": prompt_parts(), "taxonomy": taxonomy.hash}
        self.fingerprint = fingerprint("generate-profiles", identity)

    def infer(self, subjects: Sequence[Subject]) -> list[Inferred | ModelRejected]:
        seen = {subject: legible(subject) for subject in subjects}
        asked = [subject for subject, one in seen.items() if one.says_something]
        answers = dict(zip(asked, self._engine.answer([request(one, seen[one]) for one in asked]), strict=True))
        return [self._outcome(subject, seen[subject], answers.get(subject)) for subject in subjects]

    def _outcome(
        self, subject: Subject, seen: Legible, answer: Answer | ModelRejected | None
    ) -> Inferred | ModelRejected:
        if answer is None:
            return NOTHING
        return answer if isinstance(answer, ModelRejected) else understood(subject, seen, answer.text, self._names)


def request(subject: Subject, seen: Legible) -> Request:
    return Request(
        tuple(messages(subject.kind, HOLE)),
        seen.shown(),
        grammar(subject.kind, seen),
        rank=0 if subject.kind == "user" else 1,
    )


def grammar(kind: Kind, seen: Legible) -> str:
    """The schema of answers as a grammar that also has words of the text alone in `words`, in llguidance's Lark."""
    says = " | ".join(f'"{one}"' for one in SAYS[kind])
    lines = [
        rf'start: "{{\"claims\": [" (claim (", " claim){{0,{MOST_CLAIMS - 1}}})? "]}}"',
        r'claim: "{\"words\": \"" words "\", \"says\": \"" says rest',
        r'rest: "\", \"label\": \"" LABEL "\", \"weight\": " weight "}"',
        f"says: {says}",
        'weight: "3" | "2" | "1"',
        "LABEL: /[a-z][a-z0-9]+([ &'+-][a-z0-9]+){0,3}/",
        "words: " + " | ".join(f"W{at}" for at in range(len(seen.stretches))),
    ]
    for at, one in enumerate(seen.stretches):
        chunks = json.dumps({"substring_chunks": one.chunks()})
        lines.append(rf"W{at}: %regex {chunks} & /(.|\n){{1,{WORDS_CHARS}}}/")
    return "\n".join(lines)


def load_generate(settings: Settings, taxonomy: Taxonomy) -> GenerateProfileModel:
    """Raises ModelMissing, BadSettings."""
    chosen = settings.profiles.generate
    try:
        import llguidance  # noqa: F401  only to say in one sentence what is missing
    except ImportError as error:
        raise ModelMissing(
            "profiles.model is generate, which needs the package llguidance: pip install 'glowplug[generate]'"
        ) from error
    from glowplug.inference.devices import device_of, dtype_of
    from glowplug.inference.generation import Generation
    from glowplug.inference.language_model import LanguageModel
    from glowplug.inference.sources import of_name
    from glowplug.settings import EncoderSettings

    wanted = EncoderSettings(device=chosen.device, dtype=chosen.dtype)
    try:
        device = device_of(wanted)
    except BadSettings as error:
        raise BadSettings(str(error).replace("encoder.device", "profiles.generate.device")) from None
    source = of_name(
        chosen.model, chosen.revision, offline=settings.encoder.offline, setting="profiles.generate.model"
    )
    model = LanguageModel(source.folder, device, dtype_of(wanted, device))
    steps = Generation(
        model, rows=chosen.rows, cache_tokens=chosen.cache_tokens, answer_tokens=chosen.answer_tokens
    )
    name = f"{source.name} {source.revision} {model.dtype} {chosen.answer_tokens}"
    return GenerateProfileModel(Engine(steps, chosen.hang_s), name, taxonomy)
