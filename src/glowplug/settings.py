"""One frozen tree of settings, from defaults, a TOML file and the environment (later wins).

`GLOWPLUG_RANKING__LIST_SIZE=30` is `ranking.list_size`. Unknown names are errors, in the file and in the
environment, so that a typing mistake never silently leaves a default in force.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from glowplug.errors import BadSettings, shown
from glowplug.observe.redact import without_secrets
from glowplug.setting_faults import fault_line, misnamed_variable

PREFIX = "GLOWPLUG_"
FILE_VARIABLE = "GLOWPLUG_CONFIG"  # names the TOML file; without it ./glowplug.toml is read where it exists
NOT_SETTINGS = frozenset({FILE_VARIABLE, "GLOWPLUG_KILL_AT"})  # the latter only for fault tests
Weighted = Literal["view", "click", "like", "dislike", "purchase", "skip"]  # a rating brings its own weight


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """What str() and repr() show, and so whatever logs a section: no passwords."""
        return [(name, without_secrets(value, name or "")) for name, value in super().__repr_args__()]


class TopicNames(Section):
    """What each topic is called on your cluster."""

    items: str = "items"
    users: str = "users"
    interactions: str = "interactions"
    interactions_rekeyed: str = "interactions-rekeyed"
    item_vectors: str = "item-vectors"
    user_vectors: str = "user-vectors"
    user_profiles: str = "user-profiles"
    user_states: str = "user-states"
    item_stats: str = "item-stats"
    recommendations: str = "recommendations"
    item_audiences: str = "item-audiences"
    dead_letters: str = "dead-letters"


class KafkaSettings(Section):
    """The broker and how we talk to it."""

    bootstrap_servers: str = Field("", description="host:port,…; empty: `glowplug up` starts an embedded broker")
    application: str = Field("glowplug", description="prefix of group ids and transactional ids")
    instance: str = Field("", description="declared id of this instance (slot, ordinal); empty: random")
    group_protocol: Literal["consumer", "classic"] = Field("consumer", description="KIP-848, or classic groups")
    session_timeout_ms: int = Field(
        10_000, ge=1_000, description="classic groups: silence after which a member is dead"
    )
    transaction_timeout_ms: int = Field(
        10_000, ge=1_000, description="bounds how long a dead worker blocks readers"
    )
    revoke_budget_s: float = Field(
        5.0, gt=0, description="longest wait for work in flight when partitions are taken"
    )
    replication_factor: int = Field(-1, ge=-1, description="of created topics; -1: the broker's default")
    partitions: int = Field(0, ge=0, description="of created topics; 0: as in topics.toml")
    properties: dict[str, str] = Field(
        default={}, description="librdkafka properties for every client (security.protocol, sasl.*, ssl.*, …)"
    )
    builtin: bool = Field(
        False, description="the broker is librdkafka's built-in one; `glowplug up` sets it for what it starts"
    )
    rekey_interactions: bool = Field(
        False,
        description="the recommender reads interactions by way of an internal topic: for producers with another "
        "partitioner than Kafka's default, or another number of partitions than `users`",
    )
    topics: TopicNames = TopicNames()


class RedisSettings(Section):
    """Where product systems read lists from."""

    url: str = Field("", description="redis://… or rediss://…; empty: `glowplug up` starts an embedded server")
    timeout_s: float = Field(2.0, gt=0, description="of connecting and of each command")
    key_prefix: str = Field("", description="put before recs:, user: and item:")


class StreamSettings(Section):
    """Batches and the treatment of bad input."""

    max_batch: int = Field(256, ge=1, description="most records in one batch, hence in one transaction")
    buffer: int = Field(2_048, ge=1, description="records kept ready; partitions pause when it is full")
    poll_s: float = Field(0.005, gt=0, le=1, description="longest wait of one poll; bounds added latency")
    max_record_bytes: int = Field(
        900_000, ge=1_000, description="largest record written; Kafka's default limit is 1 MB"
    )
    dead_letter_ratio: float = Field(
        0.5, gt=0, le=1, description="stop when more than this share of records is invalid"
    )
    dead_letter_window: int = Field(1_000, ge=10, description="records over which that share is taken")
    recreated: tuple[Literal["items", "users"], ...] = Field(
        (), description="input topics that were deleted and created anew on purpose: their offsets count from there"
    )
    stall_s: float = Field(60.0, gt=0, description="reading that has lag and does not move this long is begun anew")
    versions: dict[Literal["items", "users"], Literal["offset", "event"]] = Field(
        default={"items": "offset", "users": "offset"},
        description="what decides which of two events is the later: the log's order, or the event's own version",
    )


class RemoteSettings(Section):
    """A model server that speaks OpenAI's HTTP interface: vLLM, TGI, TEI, llama.cpp server."""

    url: str = Field("", description="where its interface begins: http://host:port/v1")
    model: str = Field("", description="the model's name there")
    api_key: SecretStr = Field(SecretStr(""), description="sent as bearer token, never logged; empty: none")
    timeout_s: float = Field(30.0, gt=0, description="of one request, from first byte sent to last byte read")
    attempts: int = Field(3, ge=1, le=10, description="of a request that meets 429, 5xx or no answer")
    concurrency: int = Field(8, ge=1, le=256, description="requests under way at once")


class RemoteEncoderSettings(RemoteSettings):
    """`encoder.model` is remote."""

    at_once: int = Field(32, ge=1, le=2_048, description="texts in one request")


class EndpointSettings(RemoteSettings):
    """`profiles.model` is endpoint."""

    dialect: Literal["openai", "tgi"] = Field(
        "openai", description="how the answers' schema is sent: openai (vLLM, llama.cpp server too) or tgi"
    )
    answer_tokens: int = Field(400, ge=32, description="longest answer; what is complete of a longer one is kept")


class GenerateSettings(Section):
    """`profiles.model` is generate: a causal language model in this process."""

    model: str = Field("Qwen/Qwen3-4B-Instruct-2507", description="hub id or folder, with a chat template")
    revision: str | None = Field(None, description="of a hub model")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is one")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 where it gains"
    )
    rows: int = Field(16, ge=1, le=1_024, description="texts that are answered at once, most")
    cache_tokens: int = Field(32_768, ge=1_024, description="tokens kept for all of them together")
    answer_tokens: int = Field(400, ge=32, description="longest answer; what is complete of a longer one is kept")
    hang_s: float = Field(120.0, gt=0, description="a step of the model that takes longer is given up as hung")


class EncoderSettings(Section):
    """The sentence encoder."""

    model: str = Field(
        "small",
        description="small (multilingual, from a wheel), minilm (English, faster), hub id or folder, or remote: "
        "encoder.remote; fake in tests",
    )
    revision: str | None = Field(None, description="of a hub model")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is one")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 where it gains"
    )
    max_tokens: int = Field(256, ge=8, description="longest text; the rest is cut")
    batch_tokens: int = Field(8_192, ge=64, description="padded tokens in one forward pass")
    dim: int | None = Field(None, ge=8, description="shorten vectors to this (Matryoshka models only)")
    item_prompt: str | None = Field(None, description="put before item texts; default: the model's own")
    user_prompt: str | None = Field(None, description="put before user texts; default: the model's own")
    offline: bool = Field(False, description="never ask a hub, only its local cache")
    cache_dir: Path | None = Field(None, description="converted models; default: the user's cache folder")
    memo: int = Field(20_000, ge=0, description="short texts (interests) whose vectors are kept in memory")
    remote: RemoteEncoderSettings = RemoteEncoderSettings()


class ProfileWriterSettings(Section):
    """How the inference of profiles stays out of the way of everything else."""

    patience_s: float = Field(
        0.25, ge=0, description="a batch waits so long for its profiles; those still missing follow as they come"
    )
    waiting: int = Field(
        100, ge=0, description="while more users than this wait for the model, a batch does not wait at all"
    )
    at_once: int = Field(
        8, ge=1, description="users in one call of the model: what comes meanwhile waits for its end"
    )
    items: bool = Field(True, description="the model also reads items, behind all users, for their attributes")


class LabelSettings(Section):
    """A label of your own, or more words for one that exists."""

    kind: Literal["interest", "preference", "audience", "tone", "theme"] = Field(
        "interest", description="what it says of its user; audience, tone and theme are of items"
    )
    name: str = Field("", description="in short English; empty: the label's id")
    broader: tuple[str, ...] = Field((), description="labels that hold for whoever holds this one")
    words: tuple[str, ...] = Field(
        (), description="what names it, in any language; `photograph~` stands for all words that begin so"
    )


class ProfileSettings(Section):
    """What is inferred from the texts of users and items, and by which model."""

    model: Literal["auto", "encoder", "generate", "endpoint", "off"] = Field(
        "auto",
        description="encoder: labels of a taxonomy by words and vectors; generate: a language model in this "
        "process; endpoint: one on a server; off: no profiles; auto: generate on CUDA, where its package and "
        "the whole model are here already, else encoder",
    )
    taxonomy: Path | None = Field(None, description="a file of further labels, like Glowplug's own taxonomy.json")
    labels: dict[str, LabelSettings] = Field(default={}, description="further labels by their id")
    generate: GenerateSettings = GenerateSettings()
    endpoint: EndpointSettings = EndpointSettings()


class AttributeDeclaration(Section):
    """What an attribute means."""

    type: Literal["number", "category", "list"] = Field(description="what the attribute's values are")
    meaning: str = Field("", description="in words; the template uses it as the label")


class DomainSettings(Section):
    """How the items and users of one domain become text."""

    item_template: str = Field(
        "{title}\n{description}\n{attributes}",
        description="fields: title, description, attributes (all of them), or attributes.NAME",
    )
    item_attributes: dict[str, AttributeDeclaration] = Field(
        default={}, description="type and meaning of each attribute of items, by its name"
    )
    user_attributes: dict[str, AttributeDeclaration] = Field(default={}, description="the same for users")


class RankingSettings(Section):
    """How a user's vector comes about and how lists are made."""

    list_size: int = Field(20, ge=1, le=500, description="items in a published list")
    raw_size: int = Field(50, ge=1, le=1_000, description="items kept behind it (top-k); at least list_size")
    audience_size: int = Field(50, ge=1, le=5_000, description="users named in an audience event, per partition")
    history: int = Field(50, ge=1, le=1_000, description="interactions remembered per user")
    seen: int = Field(
        10_000, ge=1, le=30_000, description="items not shown again, per user; beyond it the oldest return"
    )
    forget_days: float = Field(
        30.0,
        gt=0,
        description="days until the marker of a deleted user goes, and what was kept for a user who never arrived",
    )
    half_life: float = Field(15.0, gt=0, description="interactions after which one counts half")
    text_strength: float = Field(
        2.0, gt=0, description="interactions that a sign-up text of the user weighs as much as"
    )
    certainty: float = Field(
        1.5, gt=0, description="evidence at which the personal side reaches half its full length"
    )
    profile_share: float = Field(0.5, ge=0, le=1, description="of the inferred profile within the text side")
    dislike_push: float = Field(0.35, ge=0, description="weight of what is disliked against what is liked")
    popularity: float = Field(
        0.4, ge=0, le=1, description="weight of popularity beside a personal side of length 0 to 1"
    )
    freshness: float = Field(0.1, ge=0, le=1, description="weight of freshness, likewise")
    exclude: dict[str, tuple[str, ...]] = Field(
        default={},
        description="by attribute of items, the values that keep an item out of every list, whether the product "
        "states them or a profile model reads them in its text",
    )
    exclude_unread: bool = Field(
        False,
        description="with `exclude`: what no profile model has read yet is kept out, too, however long that is",
    )
    heads: Path | None = Field(
        None,
        description="folder of promoted heads, shared by all recommenders and `glowplug promote`; "
        "empty: no head serves",
    )
    head_popularity: float | None = Field(
        None,
        ge=0,
        le=100,
        description="weight of the day's popularity where a head serves; empty: what its training found, the less "
        "the more is known of a user",
    )
    head_freshness: float = Field(0.0, ge=0, le=1, description="weight of freshness where a head serves")
    freshness_days: float = Field(14.0, gt=0, description="age at which freshness is 1/e")
    popularity_days: float = Field(30.0, gt=0, description="half-life of an interaction in the popularity")
    popularity_full: float = Field(1_000.0, gt=1, description="decayed interactions at which popularity is 1")
    epoch_growth: float = Field(
        0.25, gt=0, description="a new epoch of priors when interactions grew by this share"
    )
    epoch_minimum: float = Field(50.0, ge=1, description="and by at least this many")
    window_s: float = Field(
        1.0, ge=0, description="after an item-caused list, the next waits until this has passed"
    )
    import_lag: int = Field(2_000, ge=1, description="item changes behind which matching waits until caught up")
    actions: dict[str, float] = Field(
        default={"view": 0.2, "click": 0.5, "like": 1.0, "purchase": 1.5, "skip": -0.3, "dislike": -1.0},
        description="weight of each action; a rating counts from -1 (value 0) to +1 (value 1)",
    )


class ObserveSettings(Section):
    """What can be seen from outside."""

    host: str = Field("127.0.0.1", description="where /metrics and /health listen")
    port: int = Field(9_464, ge=0, le=65_535, description="0: any free port")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged"
    )
    log_json: bool = Field(False, description="one JSON object a line")


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    stream: StreamSettings = StreamSettings()
    encoder: EncoderSettings = EncoderSettings()
    profile_writer: ProfileWriterSettings = ProfileWriterSettings()
    profiles: ProfileSettings = ProfileSettings()
    ranking: RankingSettings = RankingSettings()
    observe: ObserveSettings = ObserveSettings()
    domains: Annotated[
        dict[str, DomainSettings],
        Field(description="by the `domain` of items and users; 'default' serves the others"),
    ] = {"default": DomainSettings()}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  named by pydantic-settings
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        path = Path(_file_name())
        if path.is_file():
            sources.append(TomlConfigSettingsSource(settings_cls, path))
        elif os.environ.get(FILE_VARIABLE):
            raise BadSettings(f"{FILE_VARIABLE} names {shown(str(path))}, which is no file")
        return tuple(sources)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [(name, without_secrets(value, name or "")) for name, value in super().__repr_args__()]

    def domain(self, name: str) -> DomainSettings:
        return self.domains.get(name) or self.domains.get("default") or DomainSettings()


def load(**overrides: Any) -> Settings:
    """The settings in force. `overrides` are whole sections, or dicts of what differs in them.

    Raises BadSettings: one line for each unknown name or unfit value.
    """
    unknown_variable = misnamed_variable(os.environ, Settings, PREFIX, NOT_SETTINGS)
    if unknown_variable:
        raise BadSettings(unknown_variable)
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        # `from None`: the chained error would carry every value, passwords included, into tracebacks.
        raise BadSettings(
            "settings: " + "; ".join(fault_line(fault, Settings) for fault in error.errors())
        ) from None
    except SettingsError as error:
        raise BadSettings(f"settings: {error}: a table in the environment is one JSON object") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"settings: {shown(_file_name())} is no valid TOML: {error}") from None
    if settings.ranking.raw_size < settings.ranking.list_size:
        raise BadSettings(
            f"ranking.raw_size ({settings.ranking.raw_size}) must be at least "
            f"ranking.list_size ({settings.ranking.list_size})"
        )
    names = settings.kafka.topics.model_dump()
    twice = next((name for name in names if list(names.values()).count(names[name]) > 1), None)
    if twice is not None:
        raise BadSettings(f"kafka.topics.{twice}: {shown(names[twice])} is the name of another topic too")
    if settings.ranking.seen < settings.ranking.history:
        raise BadSettings(
            f"ranking.seen ({settings.ranking.seen}) must be at least ranking.history ({settings.ranking.history})"
        )
    unknown = sorted(set(settings.ranking.actions) - set(get_args(Weighted)))
    if unknown:
        raise BadSettings(
            f"ranking.actions: {unknown[0]} has no weight to set; {', '.join(get_args(Weighted))} have"
        )
    return settings


def _file_name() -> str:
    return os.environ.get(FILE_VARIABLE) or "glowplug.toml"
