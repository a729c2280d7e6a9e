"""The profile model behind OpenAI's /v1/chat/completions: vLLM, TGI, llama.cpp server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from glowplug.errors import GlowplugError, ModelRejected, ModelUnavailable, shown
from glowplug.inference.encoder import fingerprint
from glowplug.inference.remote import Refused, Remote
from glowplug.profiles.answers import Kind, Names, messages, names, prompt_parts, schema, understood
from glowplug.profiles.legible import Legible, legible
from glowplug.profiles.model import Inferred, Subject
from glowplug.profiles.taxonomy import Taxonomy
from glowplug.settings import EndpointSettings

PROBE = Subject("user", (("text", "I like books."),))  # a server that cannot describe it describes nobody
MOST_KEPT = 1_000  # answers of calls that failed in part; each is paid for once
NOTHING = Inferred()

Outcome = Inferred | ModelRejected


class EndpointProfileModel:
    """Safe to call from many threads; `concurrency` of all their subjects are asked about at once.

    It has no circuit breaker of its own: the desk, which asks it, has one, with a metric and a place in /health.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        taxonomy: Taxonomy,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks nobody yet: a server that is away is no reason not to start. Raises BadSettings."""
        self._remote = Remote(settings, "profiles.endpoint", "profiles", sleep=sleep, clock=clock)
        self._answer_tokens, self._dialect = settings.answer_tokens, settings.dialect
        self._names: Names = names(taxonomy)
        self._pool = ThreadPoolExecutor(settings.concurrency, "glowplug-endpoint")
        self._lock = threading.Lock()
        self._kept: dict[Subject, Outcome] = {}
        identity = {"model": settings.model, "prompt": prompt_parts(), "taxonomy": taxonomy.hash}
        self.fingerprint = fingerprint("endpoint-profiles", identity)

    def infer(self, subjects: Sequence[Subject]) -> list[Inferred | ModelRejected]:
        asked: dict[Subject, Future[Outcome]] = {}
        for subject in subjects:
            if subject not in asked:
                asked[subject] = self._pool.submit(self._outcome, subject)
        outcomes: dict[Subject, Outcome] = {}
        failure: Exception | None = None
        for subject, future in asked.items():
            if failure is not None and future.cancel():
                continue
            try:
                outcomes[subject] = future.result()
            except Exception as error:  # noqa: BLE001  raised below, once the answers of the others are kept
                failure = failure if isinstance(failure, GlowplugError) else error
        if failure is not None:
            self._keep(outcomes)
            raise failure
        self._check(outcomes)
        return [outcomes[subject] for subject in subjects]

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._remote.close()

    def _outcome(self, subject: Subject) -> Outcome:
        with self._lock:
            kept = self._kept.pop(subject, None)
        if kept is not None:
            return kept
        seen = legible(subject)
        return self._described(subject, seen) if seen.says_something else NOTHING

    def _described(self, subject: Subject, seen: Legible) -> Outcome:
        """Raises ModelUnavailable, BadSettings."""
        body: dict[str, object] = {
            "model": self._remote.model,
            "messages": messages(subject.kind, seen.shown()),
            "temperature": 0,
            "max_tokens": self._answer_tokens,
            "response_format": self._form(subject.kind),
        }
        try:
            answer = self._remote.post("/chat/completions", body)
        except Refused as error:
            return ModelRejected(f"the profile model refuses this text ({shown(str(error))})")
        return understood(subject, seen, self._content(answer), self._names)

    def _form(self, kind: Kind) -> dict[str, object]:
        if self._dialect == "tgi":
            return {"type": "json_object", "value": schema(kind)}
        named = {"name": f"{kind}_profile", "strict": True, "schema": schema(kind)}
        return {"type": "json_schema", "json_schema": named}

    def _content(self, answer: Mapping[str, Any]) -> str:
        """Raises ModelUnavailable for what is no chat completion: then no text is to blame."""
        try:
            content = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            content = None
        if not isinstance(content, str):
            raise ModelUnavailable(f"{self._remote.where} answers with something that is no chat completion")
        return content

    def _check(self, outcomes: Mapping[Subject, Outcome]) -> None:
        """Where nobody could be described, the server is asked about somebody easy: a model that ignores the schema
        must not leave everybody with an empty profile. Raises ModelUnavailable."""
        if not outcomes or not all(isinstance(one, ModelRejected) for one in outcomes.values()):
            return
        probed = self._described(PROBE, legible(PROBE))
        if isinstance(probed, ModelRejected):
            raise ModelUnavailable(
                f"{self._remote.where} describes nobody ({probed}); does it support json_schema? "
                "See profiles.endpoint.dialect"
            )

    def _keep(self, outcomes: Mapping[Subject, Outcome]) -> None:
        with self._lock:
            self._kept |= {subject: one for subject, one in outcomes.items() if one is not NOTHING}
            while len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
