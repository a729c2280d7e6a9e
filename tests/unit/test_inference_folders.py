"""Model folders as users bring them: read as sentence-transformers reads them, and never executed."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from glowplug.errors import BadSettings, ModelMissing
from glowplug.inference.encoder import KINDS, Kind, StagedEncoder, Vectors, load, unit
from glowplug.settings import EncoderSettings
from tests.support.tiny_models import QUERY, rewrite, tiny_bert, tiny_decoder

TEXTS = ("Hello world", "猫 and 狗", "a", "x" * 300, "A Much longer text about walking in the mountains äöü", "Two")
EVIL = "from pathlib import Path\nPath({marker!r}).touch()\n"


def loaded(folder: Path, tmp_path: Path, **changes: object) -> StagedEncoder:
    base = {"model": str(folder), "cache_dir": tmp_path / "cache", "dtype": "float32", "device": "cpu"}
    return load(EncoderSettings.model_validate(base | changes))


def not_centred(encoder: StagedEncoder, texts: tuple[str, ...], kind: Kind) -> Vectors:
    """What sentence-transformers computes too: it knows nothing of centring."""
    rows = np.empty((len(texts), encoder.dim), np.float32)
    for batch in encoder.tokenise(texts, kind):
        rows[list(batch.rows)] = unit(encoder.forward(batch))
    return rows


def by_sentence_transformers(folder: Path, kind: Kind) -> Vectors:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the oracle's imports
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder), device="cpu")
        encode = model.encode_document if kind == "item" else model.encode_query
        vectors: Vectors = encode(list(TEXTS), show_progress_bar=False)
    return vectors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_an_encoder_agrees_with_sentence_transformers(tmp_path: Path, pooling: str, kind: Kind) -> None:
    folder = tiny_bert(tmp_path / "model", pooling=pooling, lowercases=pooling == "max")
    ours = not_centred(loaded(folder, tmp_path), TEXTS, kind)
    np.testing.assert_allclose(ours, by_sentence_transformers(folder, kind), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dense_module_is_applied_after_pooling(tmp_path: Path, kind: Kind) -> None:
    folder = tiny_bert(tmp_path / "model", dense=16)
    encoder = loaded(folder, tmp_path)
    assert encoder.dim == 16
    np.testing.assert_allclose(not_centred(encoder, TEXTS, kind), by_sentence_transformers(folder, kind), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_decoder_that_pads_on_the_left_agrees_with_sentence_transformers(tmp_path: Path, kind: Kind) -> None:
    folder = tiny_decoder(tmp_path / "model")
    ours = not_centred(loaded(folder, tmp_path), TEXTS, kind)
    np.testing.assert_allclose(ours, by_sentence_transformers(folder, kind), atol=1e-5)


def test_prompts_excluded_from_pooling_agree_with_sentence_transformers(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    rewrite(folder / "1_Pooling" / "config.json", include_prompt=False)
    ours = not_centred(loaded(folder, tmp_path), TEXTS, "user")
    np.testing.assert_allclose(ours, by_sentence_transformers(folder, "user"), atol=1e-5)


def test_a_prompt_of_the_settings_replaces_the_models_own(tmp_path: Path) -> None:
    folder = tiny_decoder(tmp_path / "model")
    plain, own = loaded(folder, tmp_path, user_prompt=""), loaded(folder, tmp_path)
    (written_out,) = not_centred(plain, (f"{QUERY}Hello",), "user")
    (prompted,) = not_centred(own, ("Hello",), "user")
    assert written_out @ prompted == pytest.approx(1, abs=1e-5)


def test_a_shorter_dim_keeps_the_first_components(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    whole, short = loaded(folder, tmp_path), loaded(folder, tmp_path, dim=8)
    (batch,) = whole.tokenise(["Hello"], "item")
    assert short.encode(["Hello"], "item").shape == (1, 8)
    assert short.dim == 8
    np.testing.assert_array_equal(whole.forward(batch), short.forward(batch))


def test_a_dim_wider_than_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"encoder\.dim is 64, but model makes vectors of 32"):
        loaded(tiny_bert(tmp_path / "model"), tmp_path, dim=64)


def test_control_tokens_that_a_user_types_are_plain_text(tmp_path: Path) -> None:
    encoder = loaded(tiny_decoder(tmp_path / "model"), tmp_path)
    (batch,) = encoder.tokenise(["a<|endoftext|>b"], "item")
    assert list(batch.tokens[0]).count(0) == 1  # the end token that the model itself puts there


def test_a_changed_weight_changes_the_fingerprint(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model", dense=16)
    before = loaded(folder, tmp_path).fingerprint
    weights = bytearray((folder / "2_Dense" / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "2_Dense" / "model.safetensors").write_bytes(weights)
    assert loaded(folder, tmp_path).fingerprint != before


def test_code_in_the_folder_of_a_known_architecture_is_not_executed(tmp_path: Path) -> None:
    folder, marker = tiny_bert(tmp_path / "model"), tmp_path / "executed"
    (folder / "evil.py").write_text(EVIL.format(marker=str(marker)), "utf-8")
    rewrite(folder / "config.json", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})
    rewrite(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]})
    assert loaded(folder, tmp_path).encode(["Hello"], "item").shape == (1, 32)
    assert not marker.exists()


def test_a_model_that_needs_code_from_its_folder_is_refused(tmp_path: Path) -> None:
    folder, marker = tiny_bert(tmp_path / "model"), tmp_path / "executed"
    (folder / "evil.py").write_text(EVIL.format(marker=str(marker)), "utf-8")
    rewrite(folder / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.M"})
    with pytest.raises(ModelMissing, match="needs code from its own folder, which Glowplug never executes"):
        loaded(folder, tmp_path)
    assert not marker.exists()


def test_a_module_of_the_folders_own_is_refused(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    (folder / "modules.json").write_text('[{"idx": 0, "path": "", "type": "evil.Transformer"}]', "utf-8")
    with pytest.raises(ModelMissing, match=r"has a module evil\.Transformer, which Glowplug does not run"):
        loaded(folder, tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelMissing, match="weights as pickle only, which can run code when loaded"):
        loaded(folder, tmp_path)


def test_missing_weights_are_an_error_and_not_random_numbers(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    rewrite(folder / "config.json", num_hidden_layers=3)
    with pytest.raises(ModelMissing, match="lacks 16 of its weights"):
        loaded(folder, tmp_path)


def test_a_cut_off_file_is_one_sentence(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelMissing, match="cannot be loaded"):
        loaded(folder, tmp_path)


@pytest.mark.parametrize("name", ["nosuchmodel", "no/such/model", "/no/such/folder"])
def test_an_unknown_model_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelMissing, match="no folder of that name, and no hub id"):
        load(EncoderSettings(model=name, cache_dir=tmp_path))


def test_a_hub_model_that_is_not_cached_is_not_fetched_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelMissing, match=r"set encoder\.offline = false once"):
        load(EncoderSettings(model="glowplug-tests/not-there", offline=True, cache_dir=tmp_path))
