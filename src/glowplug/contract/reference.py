"""docs/reference/: settings, metrics, topics, events, errors and commands as pages, generated from the code."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from glowplug import errors, topics
from glowplug.contract.commands import commands
from glowplug.contract.headers import DeadLetterHeaders
from glowplug.contract.placement import ON
from glowplug.errors import Fatal, GlowplugError, Poison
from glowplug.events import INPUTS, event_type
from glowplug.observe import metrics
from glowplug.setting_list import setting_list
from glowplug.settings import FILE_VARIABLE, TopicNames

GENERATED = "<!-- generated from the code by `make schemas`; edits here are lost -->"
DAY_MS = 86_400_000


def pages() -> dict[str, str]:
    """Markdown by file name."""
    return {
        "settings.md": _page("Settings", _settings()),
        "metrics.md": _page("Metrics", _metrics()),
        "topics.md": _page("Topics and events", _topics()),
        "errors.md": _page("Errors and exit codes", _errors()),
        "commands.md": _page("Commands", _commands()),
    }


def named_metrics() -> tuple[MetricWrapperBase, ...]:
    """All metrics of observe/metrics.py, in the order of the file."""
    return tuple(value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase))


def metric_name(metric: MetricWrapperBase) -> str:
    """As it stands in the exposition: prometheus-client keeps counters without their `_total`."""
    described = _described(metric)
    return f"{described.name}_total" if described.type == "counter" else described.name


def _described(metric: MetricWrapperBase) -> Metric:
    return next(iter(metric.describe()))


def fatal_errors() -> tuple[type[Fatal], ...]:
    """Every kind of Fatal, in the order of errors.py."""
    return tuple(Fatal.__subclasses__())


def _page(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"# {title}", "", GENERATED, "", *lines]) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in [list(head), *cells]]
    return [lines[0], "|" + " --- |" * len(head), *lines[1:]]


def _settings() -> list[str]:
    intro = (
        f"From defaults, a TOML file (`{FILE_VARIABLE}`, else `glowplug.toml` in the current folder) and the "
        "environment; the later wins. In the file `[ranking]` and `list_size = 30`, in the environment "
        "`GLOWPLUG_RANKING__LIST_SIZE=30`. Tables are JSON in the environment. A name that is not listed here is "
        "an error. `glowplug settings` prints what is in force."
    )
    rows = [
        (f"`{row.name}`", row.kind, f"`{row.default}`" if row.default else "required", row.description)
        for row in setting_list()
    ]
    return [intro, "", *_table(("setting", "type", "default", "meaning"), rows)]


def _metrics() -> list[str]:
    rows = [
        (
            f"`{metric_name(metric)}`",
            _described(metric).type,
            ", ".join(f"`{label}`" for label in metric._labelnames),  # no public way to ask for them
            _described(metric).documentation,
        )
        for metric in named_metrics()
    ]
    intro = "At `/metrics` of every consumer, in Prometheus' text format. Times are in seconds."
    return [intro, "", *_table(("metric", "type", "labels", "meaning"), rows)]


def _topics() -> list[str]:
    defaults = TopicNames()
    rows = [
        (
            f"`{getattr(defaults, topic.name)}`",
            topic.key,
            str(topic.partitions),
            topic.cleanup if topic.retention_ms is None else f"delete after {topic.retention_ms / DAY_MS:g} days",
            topic.writer,
            topic.holds if topic.only_with is None else f"only with `{topic.only_with}`: {topic.holds}",
        )
        for topic in topics.declared().values()
    ]
    intro = (
        "Names and partitions are settings (`kafka.topics.*`, `kafka.partitions`). All user-keyed topics have the "
        "same number of partitions; write to them with Kafka's default partitioner, murmur2 of the key "
        "(librdkafka: `partitioner=murmur2_random`), or set `kafka.rekey_interactions` and write interactions with "
        "any. Each event type has a JSON Schema that says it all."
    )
    schemas = [
        (
            f"`{event_type(model)}`",
            f"`{getattr(defaults, name)}`",
            "you" if model in INPUTS else "Glowplug",
            f"[schema](../../schemas/{event_type(model)}.v{model.schema_version}.json)",
            _first_line(model),
        )
        for name, models in ON.items()
        for model in models
    ]
    headers = [(f"`{field.alias}`", str(field.description)) for field in DeadLetterHeaders.model_fields.values()]
    return [
        intro, "", *_table(("topic", "key", "partitions", "cleanup", "writer", "holds"), rows), "",
        "## Events", "", *_table(("type", "topic", "written by", "schema", "meaning"), schemas), "",
        "## Headers of a dead letter", "", *_table(("header", "meaning"), headers),
    ]  # fmt: skip


def _errors() -> list[str]:
    fatal = [(f"`{kind.__name__}`", str(kind.exit_code), _meaning(kind)) for kind in fatal_errors()]
    poison = [(f"`{kind.cause}`", _meaning(kind)) for kind in Poison.__subclasses__()]
    return [
        "A process that must stop prints one sentence and ends with one of these exit codes.", "",
        *_table(("error", "exit code", "when"), fatal), "",
        "An invalid record becomes one dead letter with one of these causes, and work goes on.", "",
        *_table(("`glowplug-cause`", "when"), poison),
    ]  # fmt: skip


def _commands() -> list[str]:
    lines = ["`glowplug COMMAND --help` says the same. Options win over the environment and the file."]
    for command in commands():
        lines += ["", f"## `{command.usage}`", "", command.meaning]
        if command.options:
            rows = [(", ".join(f"`{flag}`" for flag in option.flags), option.meaning) for option in command.options]
            lines += ["", *_table(("option", "meaning"), rows)]
    return lines


def _meaning(kind: type[GlowplugError]) -> str:
    """The words beside the class in the tree that errors.py draws."""
    lines = inspect.getdoc(errors) or ""
    for line in lines.splitlines():
        name, _, words = line.lstrip("│├└─ ").partition(" ")
        if name == kind.__name__ and words.strip():
            return words.strip()
    return ""


def _first_line(model: type[object]) -> str:
    return (inspect.getdoc(model) or "").partition("\n")[0]
