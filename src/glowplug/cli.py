"""`glowplug …`: each command loads only what it needs, and ends with one sentence where something is wrong."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glowplug import __version__
from glowplug.errors import BadSettings, Fatal, Recoverable, shown
from glowplug.ports import KAFKA_PORT, REDIS_PORT

if TYPE_CHECKING:
    from glowplug.settings import Settings

NOTHING_FOUND = 1
TRAIN_PACKAGES = ("jinja2", "matplotlib", "optuna", "pyarrow", "scipy", "sklearn")
DIFFERENT = 1

app = typer.Typer(
    name="glowplug",
    help="Ends the cold start of recommenders: events in, recommendations out, within seconds.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich takes longer to load than all the rest of --help
    pretty_exceptions_enable=False,  # they print local variables, and those hold people's texts
)
data = typer.Typer(help="Public data sets as events.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data, name="data")


class Broker(StrEnum):
    builtin = "builtin"
    apache = "apache"


Servers = Annotated[str | None, typer.Option(help="host:port,… of your Kafka")]
RedisUrl = Annotated[str | None, typer.Option(help="redis://… or rediss://… of your Redis")]
Model = Annotated[str | None, typer.Option(help="small, minilm, a hub id or a folder")]
Port = Annotated[int | None, typer.Option(help="of /metrics and /health; 0: any free one", min=0, max=65_535)]


@app.command()
def up(
    broker: Annotated[
        Broker | None, typer.Option(help="start this one; default: builtin where no address is set")
    ] = None,
    bootstrap_servers: Servers = None,
    redis_url: RedisUrl = None,
    model: Model = None,
    port: Port = None,
    kafka_port: Annotated[int, typer.Option(help="of a broker started here; 0: any free one")] = KAFKA_PORT,
    redis_port: Annotated[int, typer.Option(help="of a Redis started here; 0: any free one")] = REDIS_PORT,
    data_dir: Annotated[
        Path | None, typer.Option(help="where --broker apache keeps its log; default: a temporary folder")
    ] = None,
) -> None:
    """Start everything on this machine, or on your Kafka and Redis, until Ctrl-C."""
    if broker is not None and bootstrap_servers is not None:
        raise BadSettings("--broker starts a broker, --bootstrap-servers names yours: give one of the two")
    settings = _settings(bootstrap_servers, redis_url, model, port)
    run: Callable[..., None] = importlib.import_module("glowplug.up").run
    started = broker.value if broker else None
    run(settings, broker=started, kafka_port=kafka_port, redis_port=redis_port, data_dir=data_dir)


@app.command()
def topics(
    check: Annotated[bool, typer.Option("--check", help="create nothing, only say what does not fit")] = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Create the topics that are missing, and refuse what does not fit."""
    settings = _settings(bootstrap_servers)
    from glowplug.cli_views import print_topics
    from glowplug.stream.admin import ensure_topics

    print_topics(ensure_topics(settings, create=not check).actions)


@app.command()
def consume(name: Annotated[str, typer.Argument(help="item_embedder, user_embedder, recommender, …")]) -> None:
    """Run one consumer alone, as `python -m consumers.NAME` does."""
    known = consumer_names()
    if name.replace("-", "_") not in known:
        raise BadSettings(f"there is no consumer {shown(name)}; there are {', '.join(known)}")
    _settings()  # bad ones are refused before a model is loaded
    sys.argv[1:] = []  # all of it was read here; the consumer takes nothing
    run_alone: Callable[[], object] = importlib.import_module(f"consumers.{name.replace('-', '_')}").main
    run_alone()


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def publish(context: typer.Context) -> None:
    """Send events (JSON Lines) to the input topics; `glowplug publish --help` tells more."""
    from producers.publish import main as publish_main

    raise typer.Exit(publish_main(list(context.args)))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def replay(context: typer.Context) -> None:
    """Send a folder of events as they happened, each like a test of a list; `glowplug replay --help` tells more."""
    from producers.replay import main as replay_main

    raise typer.Exit(replay_main(list(context.args)))


@data.command("ml-100k")
def ml_100k(
    source: Annotated[
        Path | None,
        typer.Option("--from", help="a folder of RecBole atomic files; default: the copy in the recbole wheel"),
    ] = None,
    target: Annotated[Path, typer.Option("--to", help="where the events go")] = Path("ml-100k"),
) -> None:
    """MovieLens 100K: 943 users, 1,682 films, 100,000 ratings."""
    from glowplug.data.ml100k import fetch

    done = fetch(target, source)
    typer.echo(
        f"{done.items:,} items, {done.users:,} users and {done.interactions:,} interactions; publish them so:"
    )
    for file in done.files:
        typer.echo(f"  glowplug publish {file}")


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="RecBole atomic files: .inter, .item, .user")],
    protocol: Annotated[
        list[str] | None,
        typer.Option(help="cold-item, cold-user, warm, overall or by-time; may be given again; default: all"),
    ] = None,
    split: Annotated[
        Path | None, typer.Option(help="a published split: a folder with files train, valid and test")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="draws of each protocol; default: 5, of more than 300,000 interactions 1", min=1),
    ] = None,
    k: Annotated[int, typer.Option(help="length of the lists", min=1)] = 20,
    threshold: Annotated[
        float | None, typer.Option(help="least rating that is a yes; default: three quarters of the scale")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write all figures there")] = None,
    out: Annotated[
        Path | None, typer.Option(help="write a page with plots, figures, splits and per_user.parquet there")
    ] = None,
) -> None:
    """Measure simple and learned models on your own data, cold items and cold users first."""
    in_force = _settings()
    _training().run_evaluate(
        in_force,
        folder,
        protocols=protocol or (),
        seeds=seeds,
        k=k,
        threshold=threshold,
        published=split,
        json_file=json_file,
        out=out,
    )


@app.command()
def train(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="RecBole atomic files: .inter, .item, .user")],
    out: Annotated[Path, typer.Option(help="where the learned block and its model card go")],
    seed: Annotated[int, typer.Option(help="of the split that it is judged on", min=0)] = 0,
    k: Annotated[int, typer.Option(help="length of the lists", min=1)] = 20,
    threshold: Annotated[
        float | None, typer.Option(help="least rating that is a yes; default: three quarters of the scale")
    ] = None,
    choices: Annotated[
        Path | None, typer.Option(help="hyperparameters that `glowplug search` wrote; default: chosen here")
    ] = None,
) -> None:
    """Learn from your own data how new items and users are liked, and write it down with its figures."""
    _training().run_train(_settings(), folder, out, seed=seed, k=k, threshold=threshold, choices=choices)


@app.command()
def search(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="RecBole atomic files: .inter, .item, .user")],
    out: Annotated[Path, typer.Option(help="where the study and what it found go; there again: it goes on")],
    trials: Annotated[int, typer.Option(help="of items and of users, each", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="of the split whose validation part judges", min=0)] = 0,
    k: Annotated[int, typer.Option(help="length of the lists", min=1)] = 20,
    threshold: Annotated[
        float | None, typer.Option(help="least rating that is a yes; default: three quarters of the scale")
    ] = None,
) -> None:
    """Look longer for hyperparameters than `train` does, on validation alone, and write them down for it."""
    _training().run_search(_settings(), folder, out, seed=seed, k=k, threshold=threshold, trials=trials)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="what `glowplug evaluate --out` wrote")],
    out: Annotated[Path | None, typer.Option(help="where the page goes; default: FOLDER/report.html")] = None,
) -> None:
    """Make one page of an evaluation, with plots; it needs nothing but a browser."""
    _training().run_report(folder, out)


@app.command()
def promote(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="what `glowplug train` wrote; without it: what serves")
    ] = None,
    back: Annotated[bool, typer.Option("--back", help="undo the latest promotion")] = False,
    on: Annotated[
        Path | None,
        typer.Option(help="judge on what is later than both heads in these atomic files; default: on their cards"),
    ] = None,
    heads: Annotated[Path | None, typer.Option(help="the folder that recommenders follow: ranking.heads")] = None,
) -> None:
    """Have a trained head serve, if it gains more than chance explains; exits with 1 where it does not."""
    in_force = _settings()
    _training()
    run: Callable[..., None] = importlib.import_module("glowplug.training.promote").run_promote
    run(in_force, folder, back=back, on=on, heads=heads)


@app.command()
def settings(
    changed: Annotated[bool, typer.Option("--changed", help="only what is not as by default")] = False,
) -> None:
    """Print every setting: value in force, default, environment name, meaning. Secrets are masked."""
    in_force = _settings()
    from glowplug.cli_views import print_settings

    print_settings(in_force, only_changed=changed)


@app.command()
def recs(
    user: Annotated[str, typer.Argument(metavar="USER", help="a user id")],
    redis_url: RedisUrl = None,
) -> None:
    """Print a user's current list from Redis, and why each item is on it."""
    in_force = _settings(redis_url=redis_url)
    if not in_force.redis.url:
        in_force = _settings(redis_url=f"redis://127.0.0.1:{REDIS_PORT}/0")  # where `glowplug up` starts one
    from glowplug.cli_views import print_recommendations
    from glowplug.serving.view import RedisView

    redis = in_force.redis
    with RedisView(redis.url, key_prefix=redis.key_prefix, timeout_s=redis.timeout_s) as view:
        found = view.recommendations(user)
    if found is None:
        typer.echo(f"there is no list for user {shown(user)} (yet)", err=True)
        raise typer.Exit(NOTHING_FOUND)
    print_recommendations(found)


@app.command()
def verify(
    json_file: Annotated[Path | None, typer.Option("--json", help="write the report there, as JSON")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="what may be so while work is going on is a difference too")
    ] = False,
    bootstrap_servers: Servers = None,
    redis_url: RedisUrl = None,
) -> None:
    """Compare topics, Redis and a fresh index; exits with 1 where they differ."""
    in_force = _settings(bootstrap_servers, redis_url)
    from glowplug.audit.commands import run_verify

    if not run_verify(in_force, strict=strict, json_file=json_file):
        raise typer.Exit(DIFFERENT)


@app.command()
def why(
    user: Annotated[str, typer.Argument(metavar="USER", help="a user id")],
    bootstrap_servers: Servers = None,
) -> None:
    """Tell from the log how a user's current list came about."""
    in_force = _settings(bootstrap_servers)
    from glowplug.audit.commands import run_why

    if not run_why(in_force, user):
        typer.echo(f"the log knows no user {shown(user)}", err=True)
        raise typer.Exit(NOTHING_FOUND)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"glowplug {__version__}")


def consumer_names() -> tuple[str, ...]:
    """The consumers that can run alone; their code is not loaded."""
    import consumers

    return tuple(sorted(module.name for module in pkgutil.iter_modules(consumers.__path__)))


def main() -> None:
    """The console script. A Fatal or Recoverable is one sentence on stderr and an exit code, no traceback."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit status of `glowplug ARGUMENTS`."""
    try:
        app(args=arguments, prog_name="glowplug")
    except (Fatal, Recoverable) as error:
        return _say(error, error.exit_code)
    except SystemExit as end:  # typer ends with one, also after Ctrl-C (130) and wrong usage (2)
        return end.code if isinstance(end.code, int) else 0
    return 0


def _say(error: Exception, code: int) -> int:
    from glowplug.observe.redact import redacted

    sys.stderr.write(f"glowplug: {redacted(str(error))}\n")
    return code


def _training() -> Any:
    """The commands of the offline side, whose packages are an extra."""
    missing = next((name for name in TRAIN_PACKAGES if find_spec(name) is None), None)
    if missing is not None:
        raise BadSettings(f"this needs the package {missing}: pip install 'glowplug[train]'")
    return importlib.import_module("glowplug.training.commands")


def _settings(
    bootstrap_servers: str | None = None,
    redis_url: str | None = None,
    model: str | None = None,
    port: int | None = None,
) -> Settings:
    """The settings in force under these options, and logs as they say."""
    from glowplug.observe.logs import configure
    from glowplug.settings import load

    options: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap_servers": bootstrap_servers},
        "redis": {"url": redis_url},
        "encoder": {"model": model},
        "observe": {"port": port},
    }
    given = {
        section: {name: value for name, value in fields.items() if value is not None}
        for section, fields in options.items()
    }
    loaded = load(**{section: fields for section, fields in given.items() if fields})
    configure(loaded.observe)
    return loaded
