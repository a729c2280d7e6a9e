"""What PromQL expressions ask for, held against a scraped page: not a parser, enough for ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support.compose import DEPLOY, yaml_of

OF_PROMETHEUS = frozenset({"instance", "job"})  # labels that scraping adds
RATE_INTERVAL = "$__rate_interval"  # Grafana's variable
_selector = re.compile(r"\b(glowplug_\w+)(?:\{([^}]*)\})?")
_matcher = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_grouping = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_shown = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")

Sample = tuple[str, Mapping[str, str]]  # name, labels


@dataclass(frozen=True, slots=True)
class Question:
    """An expression, where it stands, and the texts that show its labels."""

    where: str
    expr: str
    texts: tuple[str, ...]

    def over(self, interval: str) -> str:
        """The expression with `interval` for Grafana's variable."""
        return self.expr.replace(RATE_INTERVAL, interval)


def board() -> list[Question]:
    """The targets of all panels."""
    panels: list[dict[str, Any]] = json.loads(
        (DEPLOY / "grafana" / "dashboards" / "glowplug.json").read_text("utf-8")
    )["panels"]
    return [
        Question(f"panel {panel['title']}", target["expr"], (target["legendFormat"],))
        for panel in panels
        for target in panel.get("targets", ())
    ]


def alerts() -> list[Question]:
    rules = [rule for group in yaml_of(DEPLOY / "alerts.yml")["groups"] for rule in group["rules"]]
    return [Question(f"alert {rule['alert']}", rule["expr"], tuple(rule["annotations"].values())) for rule in rules]


def samples(page: str) -> list[Sample]:
    """Everything on a /metrics page."""
    return [(s.name, s.labels) for family in text_string_to_metric_families(page) for s in family.samples]


def faults(question: Question, scraped: list[Sample]) -> Iterator[str]:
    """One sentence for each selector that finds nothing and for each label that nothing found has."""
    labels = set(OF_PROMETHEUS)
    for name, matchers in _selector.findall(question.expr):
        wanted = _matcher.findall(matchers)
        found = [labels for sample, labels in scraped if sample == name and _fits(labels, wanted)]
        if not found:
            yield f"{question.where}: no series for {name}{{{matchers}}}"
        labels.update(*found)
    # `on ()` names no label at all.
    used = {
        label.strip() for group in _grouping.findall(question.expr) for label in group.split(",") if group.strip()
    }
    used |= {label for text in question.texts for label in _shown.findall(text)}
    for label in sorted(used - labels):
        yield f"{question.where}: no label {label}"


def _fits(labels: Mapping[str, str], matchers: list[tuple[str, str, str]]) -> bool:
    for name, operator, value in matchers:
        if operator.endswith("~"):
            fits = re.fullmatch(value, labels.get(name, "")) is not None
        else:
            fits = labels.get(name, "") == value
        if fits == operator.startswith("!"):
            return False
    return True
