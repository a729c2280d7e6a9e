"""What every TextEncoder keeps, run over all of them; then what the real models must understand."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from glowplug.inference.encoder import KINDS, StagedEncoder, TextEncoder, Vectors, load
from glowplug.inference.fake import FakeEncoder
from glowplug.inference.shared import SharedEncoder
from glowplug.settings import EncoderSettings, RemoteEncoderSettings
from tests.support.model_server import ModelServer
from tests.support.tiny_models import tiny_bert, tiny_decoder

TEXTS = (
    "A saxophone quartet plays in the old harbour",
    "登山鞋",
    "Pruning shears",
    "Ein langer Satz über Brot, Butter und die Kunst, beides zu genießen, ohne dabei dick zu werden",
    "x",
    "庭でバラを育てています",
)
HOSTILE = (
    "   ", "\x00\x01\x02", "\ud800 lone surrogate", "e\u0301\u0301\u0301\u0301", "\u202eright to left\u202c",
    "🎸🇩🇪👨‍👩‍👧‍👦", "</s><s>[CLS]<|endoftext|><|im_start|>system", "\ufffe\uffff", "ﷺ" * 50, "\u200b", "%s{}\\n'\"",
)  # fmt: skip
SAME_VECTOR = 1 - 1e-3  # cosine: bfloat16 sums in another order, centring enlarges the difference


@dataclass(frozen=True, slots=True)
class Case:
    make: Callable[[Path], TextEncoder]
    has_prompts: bool = True


def _loaded(cache: Path, model: str) -> StagedEncoder:
    return load(EncoderSettings(model=model, cache_dir=cache, offline=True))


@functools.cache
def _fake_server() -> ModelServer:
    return ModelServer(encoder=FakeEncoder())


@functools.cache
def _small_server() -> ModelServer:
    """Serves the bundled model over HTTP, as TEI would."""
    return ModelServer(encoder=SharedEncoder(load(EncoderSettings(model="small", offline=True)), memo=0))


@pytest.fixture(scope="module", autouse=True)
def _servers() -> Iterator[None]:
    yield
    for make in (_fake_server, _small_server):
        if make.cache_info().currsize:
            make().close()
            make.cache_clear()


def _remote(cache: Path | None, server: ModelServer, **prompts: str) -> StagedEncoder:
    remote = RemoteEncoderSettings(url=server.url, model="tests/small")
    return load(EncoderSettings(model="remote", remote=remote, cache_dir=cache, **prompts))


CASES = {
    "fake": Case(lambda _cache: FakeEncoder()),
    "shared fake": Case(lambda _cache: SharedEncoder(FakeEncoder(), memo=10)),
    "folder, encoder": Case(lambda cache: _loaded(cache, str(tiny_bert(cache / "tiny-bert", dense=16)))),
    "folder, decoder": Case(lambda cache: _loaded(cache, str(tiny_decoder(cache / "tiny-qwen")))),
    "small": Case(lambda cache: _loaded(cache, "small")),
    "minilm": Case(lambda cache: _loaded(cache, "minilm"), has_prompts=False),
    "remote, fake": Case(lambda cache: _remote(cache, _fake_server(), item_prompt="item: ", user_prompt="user: ")),
    # In the user's own cache folder: its centre takes 2,000 texts through HTTP.
    "remote, small": Case(lambda _cache: _remote(None, _small_server()), has_prompts=False),
}
WHEELS = ("small", "minilm")
REAL = (*WHEELS, "remote, small")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(
    scope="module", params=[pytest.param(n, marks=[pytest.mark.model] if n in REAL else []) for n in CASES]
)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(scope="module")
def encoder(case: Case, cache: Path) -> TextEncoder:
    return case.make(cache)


@pytest.fixture(scope="module")
def small(cache: Path) -> TextEncoder:
    return _loaded(cache, "small")


def cosines(left: Vectors, right: Vectors) -> Vectors:
    products: Vectors = np.einsum("nd,nd->n", left, right)
    return products


def test_rows_are_float32_of_the_declared_width_and_of_unit_length(encoder: TextEncoder) -> None:
    for kind in KINDS:
        vectors = encoder.encode(TEXTS, kind)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), encoder.dim)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(encoder: TextEncoder) -> None:
    for kind in KINDS:
        assert encoder.encode([], kind).shape == (0, encoder.dim)


def test_the_same_texts_give_the_same_vectors(encoder: TextEncoder) -> None:
    np.testing.assert_array_equal(encoder.encode(TEXTS, "item"), encoder.encode(TEXTS, "item"))


def test_a_text_does_not_depend_on_its_neighbours(encoder: TextEncoder) -> None:
    alone = np.concatenate([encoder.encode([text], "item") for text in TEXTS])
    assert cosines(alone, encoder.encode(TEXTS, "item")).min() >= SAME_VECTOR


def test_rows_keep_the_order_of_the_texts(encoder: TextEncoder) -> None:
    forward, backward = encoder.encode(TEXTS, "user"), encoder.encode(TEXTS[::-1], "user")
    assert cosines(forward, backward[::-1]).min() >= SAME_VECTOR


def test_a_repeated_text_gets_its_vector_every_time(encoder: TextEncoder) -> None:
    first, _between, again = encoder.encode([TEXTS[0], TEXTS[1], TEXTS[0]], "user")
    assert first @ again >= SAME_VECTOR


def test_a_text_longer_than_the_model_reads_is_cut(encoder: TextEncoder) -> None:
    long, longer = encoder.encode(["word " * 5_000, "word " * 5_000 + "another end"], "item")
    assert long @ longer >= SAME_VECTOR


def test_hostile_unicode_has_a_vector(encoder: TextEncoder) -> None:
    for kind in KINDS:
        assert np.isfinite(encoder.encode(HOSTILE, kind)).all()


def test_items_and_users_are_prompted_differently(encoder: TextEncoder, case: Case) -> None:
    same = np.allclose(encoder.encode(TEXTS, "item"), encoder.encode(TEXTS, "user"), atol=1e-3)
    assert same is not case.has_prompts


def test_the_fingerprint_is_the_same_after_another_load(encoder: TextEncoder, case: Case, cache: Path) -> None:
    again = encoder if isinstance(encoder, SharedEncoder) else _reloaded(case, cache)
    assert again.fingerprint == encoder.fingerprint


def _reloaded(case: Case, cache: Path) -> TextEncoder:
    folders = {"folder, encoder": "tiny-bert", "folder, decoder": "tiny-qwen"}
    name = next(name for name, one in CASES.items() if one is case)
    return _loaded(cache, str(cache / folders[name])) if name in folders else case.make(cache)


@pytest.mark.model
def test_fingerprints_differ_between_models_prompts_and_dimensions(cache: Path) -> None:
    minilm = EncoderSettings(model="minilm", cache_dir=cache)
    variants = (
        minilm,
        minilm.model_copy(update={"user_prompt": "query: "}),
        minilm.model_copy(update={"dim": 128}),
        minilm.model_copy(update={"max_tokens": 64}),
        EncoderSettings(model="small", cache_dir=cache),
        EncoderSettings(model="fake"),
    )
    assert len({load(variant).fingerprint for variant in variants}) == len(variants)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.model
@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("model", WHEELS)
def test_models_from_wheels_are_converted_and_loaded_without_a_network(model: str, tmp_path: Path) -> None:
    encoder = load(EncoderSettings(model=model, cache_dir=tmp_path))
    assert encoder.encode(["hello"], "user").shape == (1, 384)


JAZZ = ("经典爵士钢琴三重奏唱片", "Hard bop quartet, live at a New York club", "Swing-Klassiker mit Trompete")
HIKING = ("防水登山鞋，适合长途徒步", "Lightweight trekking poles for alpine trails", "北アルプス登山ガイド")
BAKING = ("家用烤箱蛋糕模具", "Sourdough bread baking kit", "はじめてのパン作りセット")
MONEY = ("股票基金投资指南", "Index funds for patient savers", "Aktien verstehen: Vermögen aufbauen")
CATALOGUE = (*JAZZ, *HIKING, *BAKING, *MONEY)


@pytest.mark.model
@pytest.mark.parametrize(
    ("bio", "expected"),
    [
        ("我喜欢听爵士乐，尤其是萨克斯", JAZZ),
        ("周末喜欢去爬山徒步", HIKING),
        ("我爱烘焙，经常做面包和蛋糕", BAKING),
        ("我关注股市，喜欢研究理财", MONEY),
        ("I play the saxophone and go to jazz clubs", JAZZ),
        ("Ich gehe jedes Wochenende in den Bergen wandern", HIKING),
        ("お菓子作りとパン焼きが趣味です", BAKING),
    ],
)
def test_a_bio_finds_what_fits_in_every_language_before_anything_else(
    small: TextEncoder, bio: str, expected: tuple[str, ...]
) -> None:
    scores = small.encode(CATALOGUE, "item") @ small.encode([bio], "user")[0]
    best = [CATALOGUE[at] for at in np.argsort(-scores)[: len(expected)]]
    assert set(best) == set(expected)


@pytest.mark.model
def test_liked_items_minus_disliked_ones_point_to_the_liked_topic_in_other_languages(small: TextEncoder) -> None:
    vectors = dict(zip(CATALOGUE, small.encode(CATALOGUE, "item"), strict=True))
    taste = vectors[JAZZ[0]] - 0.35 * vectors[MONEY[0]]
    scores = {item: float(vectors[item] @ taste) for item in CATALOGUE if item not in (JAZZ[0], MONEY[0])}
    assert set(sorted(scores, key=lambda item: -scores[item])[:2]) == set(JAZZ[1:])
    assert max(scores[item] for item in MONEY[1:]) < 0


@pytest.mark.model
def test_vectors_of_unrelated_texts_are_about_orthogonal(small: TextEncoder) -> None:
    vectors = small.encode(CATALOGUE, "item")
    topics = np.repeat(np.arange(4), 3)
    unrelated = (vectors @ vectors.T)[topics[:, None] != topics[None, :]]
    assert abs(unrelated.mean()) < 0.1
