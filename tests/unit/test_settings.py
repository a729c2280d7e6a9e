"""Settings: later sources win, unknown names are errors with a hint, and no secret is ever shown."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from glowplug.errors import BadSettings
from glowplug.setting_list import setting_list, value_in_force
from glowplug.settings import FILE_VARIABLE, KafkaSettings, RedisSettings, Settings, load


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No GLOWPLUG_ variable and no glowplug.toml of whoever runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith("GLOWPLUG_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def in_file(text: str) -> None:
    Path("glowplug.toml").write_text(text, "utf-8")


def refusal(**overrides: object) -> str:
    with pytest.raises(BadSettings) as caught:
        load(**overrides)
    return str(caught.value)


# ---- sources ---------------------------------------------------------------------------------------------


def test_the_environment_beats_the_file_and_the_file_beats_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    in_file("[ranking]\nlist_size = 7\nhistory = 9\n")
    monkeypatch.setenv("GLOWPLUG_RANKING__LIST_SIZE", "8")
    ranking = load().ranking
    assert (ranking.list_size, ranking.history, ranking.raw_size) == (8, 9, 50)


def test_an_override_beats_all_and_leaves_the_rest_of_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWPLUG_RANKING__HISTORY", "9")
    ranking = load(ranking={"list_size": 3}).ranking
    assert (ranking.list_size, ranking.history) == (3, 9)


def test_sections_within_sections_have_variables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWPLUG_KAFKA__TOPICS__ITEM_VECTORS", "prod.item-vectors")
    topics = load().kafka.topics
    assert (topics.item_vectors, topics.items) == ("prod.item-vectors", "items")


def test_tables_are_json_in_the_environment_and_change_only_what_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWPLUG_RANKING__ACTIONS", '{"view": 0.1}')
    monkeypatch.setenv("GLOWPLUG_STREAM__VERSIONS", '{"items": "event"}')
    monkeypatch.setenv("GLOWPLUG_KAFKA__PROPERTIES", '{"security.protocol": "SASL_SSL"}')
    settings = load()
    assert settings.ranking.actions["view"] == 0.1
    assert settings.ranking.actions["like"] == 1.0
    assert settings.stream.versions == {"items": "event", "users": "offset"}
    assert settings.kafka.properties == {"security.protocol": "SASL_SSL"}


def test_another_file_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("other.toml").write_text('[domains.films]\nitem_template = "{title}"\n', "utf-8")
    monkeypatch.setenv(FILE_VARIABLE, "other.toml")
    assert load().domain("films").item_template == "{title}"
    assert load().domain("books").item_template == Settings().domain("default").item_template


def test_every_variable_of_the_list_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in setting_list() if row.variable]
    for row in rows:
        value = row.default.strip('"') if row.default != "null" else ""
        if value:
            monkeypatch.setenv(row.variable, value)
    assert load() == Settings()
    assert len(rows) > 60


# ---- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("GLOWPLUG_RANKING__LIST_SIZEE", "did you mean GLOWPLUG_RANKING__LIST_SIZE?"),
        ("GLOWPLUG_RANKIN__LIST_SIZE", "did you mean GLOWPLUG_RANKING__LIST_SIZE?"),
        ("GLOWPLUG_KAFKA__TOPICS__ITEMZ", "did you mean GLOWPLUG_KAFKA__TOPICS__ITEMS?"),
        ("glowplug_redis__uri", "did you mean GLOWPLUG_REDIS__URL?"),
        ("GLOWPLUG_RANKING_LIST_SIZE", "`glowplug settings` lists them"),
        ("GLOWPLUG__X", "`glowplug settings` lists them"),
    ],
)
def test_a_variable_that_names_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, hint: str
) -> None:
    monkeypatch.setenv(variable, "3")
    assert refusal() == f"the environment variable {variable} names no setting; {hint}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ranking]\nlist_sizee = 3", "there is no setting ranking.list_sizee; did you mean ranking.list_size?"),
        ("[rankings]\nlist_size = 3", "there is no setting rankings; did you mean ranking?"),
        ("[domains.films]\ntemplate = ''", "there is no setting domains.films.template"),
        ("[ranking]\nlist_size = 0", "ranking.list_size: Input should be greater than or equal to 1, not 0"),
        ("[ranking]\nhalf_life = inf", "ranking.half_life: Input should be a finite number, not inf"),
        ("[ranking]\nactions = {lik = 1}", "ranking.actions: lik has no weight to set"),
        ("[ranking]\nlist_size = 60", r"ranking.raw_size (50) must be at least ranking.list_size (60)"),
        ("ranking = 3", "ranking: Input should be a valid dictionary"),
        ("[ranking\n", "glowplug.toml is no valid TOML"),
    ],
)
def test_a_file_with_a_fault_is_refused_by_name(text: str, message: str) -> None:
    in_file(text)
    assert message in refusal()


def test_every_fault_is_told_at_once() -> None:
    in_file("[ranking]\nlist_size = 0\n[observe]\nport = 70000\n")
    assert "ranking.list_size" in refusal()
    assert "observe.port" in refusal()


def test_a_file_that_is_not_there_or_not_utf_8_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE_VARIABLE, "nowhere.toml")
    assert refusal() == "GLOWPLUG_CONFIG names nowhere.toml, which is no file"
    Path("nowhere.toml").write_bytes(b"\xff\xfe")
    assert "nowhere.toml is no valid TOML" in refusal()


def test_a_table_that_is_no_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWPLUG_KAFKA__PROPERTIES", "sasl.password=hunter2")
    assert "kafka" in refusal()
    assert "hunter2" not in refusal()


def test_overrides_are_checked_like_all_others() -> None:
    assert "there is no setting ranking.x" in refusal(ranking={"x": 1})
    assert "there is no setting rankingg; did you mean ranking?" in refusal(rankingg={})


# ---- frozen and secret -----------------------------------------------------------------------------------


def test_the_whole_tree_is_frozen() -> None:
    def freeze_of(model: BaseModel) -> None:
        for name in type(model).model_fields:
            with pytest.raises(ValidationError):
                setattr(model, name, getattr(model, name))
            inner = getattr(model, name)
            if isinstance(inner, BaseModel):
                freeze_of(inner)

    freeze_of(load())


@pytest.fixture
def secretive(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GLOWPLUG_REDIS__URL", "rediss://app:hunter2@cache:6379/0")
    monkeypatch.setenv("GLOWPLUG_KAFKA__PROPERTIES", '{"sasl.password": "hunter2", "sasl.username": "app"}')
    return load()


def test_secrets_are_in_force_and_never_shown(secretive: Settings, caplog: pytest.LogCaptureFixture) -> None:
    assert secretive.redis.url == "rediss://app:hunter2@cache:6379/0"
    assert secretive.kafka.properties["sasl.password"] == "hunter2"
    logging.getLogger("glowplug").error("%s %r %s %s", secretive, secretive, secretive.redis, [secretive.kafka])
    listed = [value_in_force(secretive, row.name) for row in setting_list()]
    assert "hunter2" not in caplog.text + "".join(listed)
    assert "cache:6379" in caplog.text


def test_a_refusal_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWPLUG_KAFKA__PROPERTIES", '{"ssl.key.password": ["hunter2"]}')
    assert "hunter2" not in refusal()
    monkeypatch.delenv("GLOWPLUG_KAFKA__PROPERTIES")
    assert "hunter2" not in refusal(redis={"url": ["redis://:hunter2@h"]})
    with pytest.raises(BadSettings) as caught:
        load(kafka=7, redis={"url": "redis://:hunter2@h", "timeout_s": -1})
    assert caught.value.__cause__ is None


def test_sections_alone_show_no_secret_either() -> None:
    assert "hunter2" not in repr(RedisSettings(url="redis://:hunter2@h"))
    assert "hunter2" not in str(KafkaSettings(properties={"sasl.password": "hunter2"}))


# ---- the list --------------------------------------------------------------------------------------------


def test_every_setting_says_what_it_means() -> None:
    assert [row.name for row in setting_list() if not row.description or not row.kind] == []


def test_every_field_of_the_tree_is_in_the_list() -> None:
    def leaves(model: type[BaseModel], prefix: str) -> set[str]:
        found: set[str] = set()
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found |= leaves(inner, f"{prefix}{name}.")
            else:
                found.add(prefix + name)
        return found

    assert leaves(Settings, "") <= {row.name for row in setting_list()}


def test_two_roles_of_one_topic_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWPLUG_KAFKA__TOPICS__ITEMS", "users")
    with pytest.raises(BadSettings, match=r"kafka\.topics\.items: users is the name of another topic too"):
        load()
