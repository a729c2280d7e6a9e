"""Secrets out of what people read: passwords in URLs, librdkafka properties and log lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
# librdkafka: sasl.password, ssl.key.password, ssl.keystore.password, sasl.oauthbearer.client.secret,
# sasl.oauthbearer.config (holds tokens), ssl.key.pem; and what others call theirs.
# "token" only as a word of its own: batch_tokens and the tokenizer are no secrets.
_WORDS = r"password|passwd|secret|(?<![a-z])token(?![a-z])|credential|api[._-]?key|key\.pem|oauthbearer\.config"
SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
# Both begin where a word does and never go back into it, so that long texts cost linear time; no password is longer
# than 1,024 characters, or each of many schemes in a row would look for an @ up to the end.
_url_password = re.compile(r"(?P<scheme>(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*):\S{0,1024}@")
_assigned = re.compile(
    rf"(?P<name>(?<![\w.-])(?=[\w.-]*(?:{_WORDS}))[\w.-]++)(?P<sign>[\"']?\s*[=:]\s*)"
    r"(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;&}]+)",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """`text` with passwords in URLs and values after `…password=` and the like replaced by ***."""
    return _assigned.sub(rf"\g<name>\g<sign>{MASK}", _url_password.sub(rf"\g<scheme>:{MASK}@", text))


def without_secrets(value: Any, name: str = "") -> Any:
    """A copy of a tree of settings in which every secret is ***; `name` is what `value` is called."""
    if isinstance(value, Mapping):
        return {key: without_secrets(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(one, name) for one in value]
    if not isinstance(value, str) or not value:
        return value
    return MASK if SECRET_NAME.search(name) else redacted(value)
