"""profiles.model auto: a language model where it is quick and there already, the encoder everywhere else."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from glowplug.inference.fake import FakeEncoder
from glowplug.inference.sources import at_hand
from glowplug.profiles.anchors import anchors
from glowplug.profiles.choice import Found, choose, decide, in_force
from glowplug.profiles.model import load as load_model
from glowplug.profiles.taxonomy import taxonomy
from glowplug.profiles.writer_turns import InTurns
from glowplug.profiles.writer_turns import load_model as load_shared
from glowplug.settings import GenerateSettings, ProfileSettings, load

MODEL = "Qwen/Qwen3-4B-Instruct-2507"
COMMIT = "0123456789" * 4
SNAPSHOT = Path("snapshots") / COMMIT
ALL = Found(has_cuda=True, has_llguidance=True, folder=SNAPSHOT)
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@pytest.mark.parametrize(
    ("found", "model", "why"),
    [
        (Found(), "encoder", "no CUDA device here"),
        (Found(has_cuda=True, folder=SNAPSHOT), "encoder", "not the package llguidance"),
        (Found(has_cuda=True, has_llguidance=True), "encoder", f"{MODEL} is not whole"),
        (ALL, "generate", f"{MODEL} is here"),
    ],
    ids=["no GPU", "no package", "no model", "all"],
)
def test_a_language_model_is_chosen_where_nothing_is_missing(found: Found, model: str, why: str) -> None:
    choice = decide(ProfileSettings(), found)
    assert choice.settings.model == model
    assert why in choice.why
    assert str(choice) == f"{model} (auto: {choice.why})"


def test_a_language_model_that_is_to_run_on_the_cpu_is_not_chosen() -> None:
    choice = decide(ProfileSettings(generate=GenerateSettings(device="cpu")), ALL)
    assert (choice.settings.model, choice.why) == ("encoder", "profiles.generate.device is cpu")


@pytest.mark.parametrize(
    ("folder", "revision"), [(SNAPSHOT, COMMIT), (Path("models/mine"), None)], ids=["of a hub", "a folder"]
)
def test_the_revision_that_is_here_is_taken(folder: Path, revision: str | None) -> None:
    choice = decide(ProfileSettings(), Found(has_cuda=True, has_llguidance=True, folder=folder))
    assert choice.settings.generate.revision == revision


@pytest.mark.parametrize("model", ["encoder", "generate", "endpoint", "off"])
def test_a_model_that_is_named_is_taken_without_a_look(model: str, caplog: pytest.LogCaptureFixture) -> None:
    def look(_: GenerateSettings) -> Found:
        raise AssertionError("nobody asked")

    settings = ProfileSettings.model_validate({"model": model})
    with caplog.at_level(logging.INFO):
        choice = choose(settings, look)
    assert (choice.settings, str(choice), caplog.messages) == (settings, model, [])


def test_the_log_tells_once_what_was_chosen_and_why(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        choice = choose(ProfileSettings(), lambda _: Found())
        assert choose(choice.settings).settings == choice.settings
    assert caplog.messages == ["profiles.model: encoder (auto: no CUDA device here)"]


def test_auto_is_the_default_and_never_in_force() -> None:
    settings = load(profiles={"generate": {"device": "cpu"}})
    assert settings.profiles.model == "auto"
    assert in_force(settings).profiles.model == "encoder"


def test_whoever_loads_the_model_gets_the_one_that_was_chosen(tmp_path: Path) -> None:
    chosen = load(profiles={"generate": {"device": "cpu"}}, encoder={"cache_dir": tmp_path})
    named = load(profiles={"model": "encoder"}, encoder={"cache_dir": tmp_path})
    encoder = FakeEncoder()
    model, other, shared = load_model(chosen, encoder), load_model(named, encoder), load_shared(chosen, encoder)
    assert model is not None
    assert other is not None
    assert isinstance(shared, InTurns)
    assert model.fingerprint == other.fingerprint == shared.fingerprint


def test_settings_are_read_without_torch() -> None:
    program = "import sys, glowplug.profiles.choice; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


# ---- is the model here? ----------------------------------------------------------------------------------


def model_in(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", *names):
        (folder / name).write_text("{}", "utf-8")
    return folder


def in_shards(folder: Path) -> Path:
    index = {"weight_map": {"a": SHARDS[0], "b": SHARDS[1], "c": SHARDS[1]}}
    (model_in(folder, *SHARDS) / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    return folder


def test_a_folder_with_all_that_a_model_needs_is_at_hand(tmp_path: Path) -> None:
    for folder in (model_in(tmp_path / "one", "model.safetensors"), in_shards(tmp_path / "two")):
        assert at_hand(str(folder), None) == folder


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", *SHARDS])
def test_a_folder_that_lacks_a_file_is_not(tmp_path: Path, name: str) -> None:
    (in_shards(tmp_path / "model") / name).unlink()
    assert at_hand(str(tmp_path / "model"), None) is None


@pytest.mark.parametrize("index", ["[]", '{"weight_map": 3}', '{"weight_map": {}}', "{", "{}"])
def test_an_index_that_names_no_weights_is_not_believed(tmp_path: Path, index: str) -> None:
    (model_in(tmp_path / "model") / "model.safetensors.index.json").write_text(index, "utf-8")
    assert at_hand(str(tmp_path / "model"), None) is None


def test_a_hub_model_is_looked_for_in_the_local_cache_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert at_hand("nobody/nothing", None) is None
    assert at_hand("no hub id", None) is None
    kept = tmp_path / "models--nobody--nothing"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(COMMIT, "utf-8")
    folder = model_in(kept / SNAPSHOT)  # as long as the weights still come
    assert at_hand("nobody/nothing", None) is None
    model_in(folder, "model.safetensors")
    assert at_hand("nobody/nothing", None) == folder
    assert at_hand("nobody/nothing", COMMIT) == folder
    assert at_hand("nobody/nothing", COMMIT[::-1]) is None


# ---- a cache that cannot be written ----------------------------------------------------------------------


def test_labels_that_cannot_be_kept_are_computed_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder", "utf-8")
    labels, encoder = taxonomy(ProfileSettings()), FakeEncoder()
    kept = anchors(labels, encoder, tmp_path / "cache")
    again = anchors(labels, encoder, tmp_path / "file")
    assert (again.vectors == kept.vectors).all()
    assert "computed at every start" in caplog.text
