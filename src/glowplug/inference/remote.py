"""JSON over HTTP to a model server: time limits, retries that heed Retry-After, and errors that say what to do."""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx2
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from glowplug import __version__
from glowplug.errors import BadSettings, ModelUnavailable, shown
from glowplug.observe import metrics
from glowplug.observe.redact import redacted
from glowplug.settings import RemoteSettings

FIRST_WAIT_S, LAST_WAIT_S = 0.25, 8.0  # between attempts, where the server does not say; it doubles, with jitter
PATIENCE_S = 30.0  # a server that asks for a longer pause is away: whoever called has better things to do meanwhile
ANSWER_BYTES = 64_000_000  # vectors of 2,048 texts as JSON are 40 MB; whatever is larger is no answer to a request
OURS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
NEVER = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
TOO_EARLY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Refused(Exception):
    """The server is well, and will not do this with this input: too long, or no text that it takes."""


class _Again(ModelUnavailable):
    """after_s: what the server asks for; None: it does not say."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Remote:
    """Safe to call from many threads; no more than `concurrency` requests are under way.

    section: where its settings are, for messages. name: label in metrics. The key never gets into a message.
    """

    def __init__(
        self,
        settings: RemoteSettings,
        section: str,
        name: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects to nothing yet. Raises BadSettings."""
        self._settings, self._section, self._name = settings, section, name
        self._sleep, self._clock = sleep, clock
        self._key = settings.api_key.get_secret_value()
        self._check()
        headers = {"User-Agent": f"glowplug/{__version__}", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._client = httpx2.Client(
            headers=headers,
            timeout=httpx2.Timeout(settings.timeout_s),
            limits=httpx2.Limits(
                max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency
            ),
            follow_redirects=False,  # the key is for this server, not for whom it points at
        )
        # Connections do not outlive who opened them, also where nobody thinks of `close`.
        self._closing = weakref.finalize(self, self._client.close)
        self._retrying = Retrying(
            stop=stop_after_attempt(settings.attempts),
            wait=self._wait_s,
            retry=retry_if_exception(_is_worth_another),
            sleep=self._sleep,
            reraise=True,
        )

    @property
    def model(self) -> str:
        return self._settings.model

    @property
    def where(self) -> str:
        """The URL as it may be shown."""
        return redacted(self._settings.url)

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """The answer, a JSON object. Raises ModelUnavailable, BadSettings (it never will), Refused."""
        content = json.dumps(body, ensure_ascii=True).encode()  # escapes carry lone surrogates, UTF-8 does not
        answer: dict[str, Any] = self._retrying.copy()(self._attempt, path, content)
        return answer

    def close(self) -> None:
        self._closing()

    def _check(self) -> None:
        parts = urlsplit(self._settings.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadSettings(
                f"{self._section}.url is {shown(self.where)}; it has to be http://host:port/v1 or https://…"
            )
        if not self._settings.model:
            raise BadSettings(f"{self._section}.model is empty; say what {shown(self.where)} calls the model")
        if not (self._key.isascii() and self._key.isprintable()) or " " in self._key:
            raise BadSettings(f"{self._section}.api_key holds characters that no header can carry")

    def _attempt(self, path: str, content: bytes) -> dict[str, Any]:
        started = self._clock()
        outcome = "failed"
        try:
            status, headers, body = self._exchange(path, content, started + self._settings.timeout_s)
            if status == HTTPStatus.TOO_MANY_REQUESTS:
                outcome = "busy"
            answer = self._understood(path, status, headers, body)
            outcome = "ok"
        except Refused:
            outcome = "refused"
            raise
        except httpx2.InvalidURL as error:
            raise BadSettings(f"{self._section}.url is no URL ({self._safe(error)})") from None
        except httpx2.HTTPError as error:
            raise _Again(f"{self.where} does not answer ({self._safe(error)})") from None
        else:
            return answer
        finally:
            metrics.remote_requests.labels(self._name, outcome).inc()
            metrics.remote_seconds.labels(self._name).observe(max(0.0, self._clock() - started))

    def _exchange(self, path: str, content: bytes, deadline: float) -> tuple[int, Mapping[str, str], bytes]:
        """Read piece by piece, since httpx's own limit is on each read: a server that drips would never be late."""
        url = f"{self._settings.url.rstrip('/')}{path}"
        with self._client.stream("POST", url, content=content, headers={"Content-Type": "application/json"}) as got:
            pieces: list[bytes] = []
            size = 0
            for piece in got.iter_bytes():
                pieces.append(piece)
                size += len(piece)
                if size > ANSWER_BYTES:
                    raise _Again(f"{self.where} answers with more than {ANSWER_BYTES:,} bytes")
                if self._clock() > deadline:
                    raise _Again(f"{self.where} is not done within {self._settings.timeout_s:g} s")
            return got.status_code, got.headers, b"".join(pieces)

    def _understood(self, path: str, status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        if status in NEVER:
            raise BadSettings(
                f"{self._section}: {self.where} answers {path} with {_phrase(status)}; see url, model and api_key"
            )
        if status in OURS:
            raise Refused(
                f"{self.where} answers {_phrase(status)} ({self._safe(body[:500].decode(errors='replace'))})"
            )
        if status in TOO_EARLY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Again(f"{self.where} answers {_phrase(status)}", _after_s(headers.get("Retry-After", "")))
        if status != HTTPStatus.OK:
            raise BadSettings(f"{self._section}: {self.where} answers {_phrase(status)}; is url right?")
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise _Again(f"{self.where} answers with something that is no JSON object; is a proxy in between?")
        return answer

    def _safe(self, what: object) -> str:
        text = redacted(str(what)) or type(what).__name__
        return shown(text.replace(self._key, "***") if self._key else text)

    def _wait_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _Again) and error.after_s is not None:
            return error.after_s
        return _waits(state)


_waits = wait_exponential_jitter(multiplier=FIRST_WAIT_S, max=LAST_WAIT_S, jitter=FIRST_WAIT_S)


def _is_worth_another(error: BaseException) -> bool:
    return isinstance(error, _Again) and (error.after_s is None or error.after_s <= PATIENCE_S)


def _after_s(header: str) -> float | None:
    """Retry-After: seconds, or a date."""
    if header.strip().isdecimal():
        return float(header.strip()[:9])
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())


def _phrase(status: int) -> str:
    known = status in {one.value for one in HTTPStatus}
    return f"{status} {HTTPStatus(status).phrase}" if known else str(status)
