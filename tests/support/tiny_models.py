"""Models of a few kilobytes with random weights, in folders as sentence-transformers saves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
)

WIDTH = 32
QUERY = "Instruct: find what fits\nQuery: "


def tiny_bert(folder: Path, *, pooling: str = "mean", dense: int | None = None, lowercases: bool = False) -> Path:
    """An encoder with characters for tokens; prompts 'query: ' and 'passage: '; optionally a Dense module."""
    tokenizer = _characters(("[PAD]", "[UNK]", "[CLS]", "[SEP]"), unknown="[UNK]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=128, pad_token_id=0,
    )  # fmt: skip
    _save(folder, BertModel, config, tokenizer, {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"})
    if dense is not None:
        _save_dense(folder / "2_Dense", dense)
    modules = ["Transformer", "Pooling", *(["Dense"] if dense else []), "Normalize"]
    _sentence_files(
        folder,
        modules,
        pooling,
        {"query": "query: ", "document": "passage: "},
        max_tokens=100,
        lowercases=lowercases,
    )
    return folder


def tiny_decoder(folder: Path) -> Path:
    """A Qwen3 as the embedding models are: last token, an end token, padding on the left, a query prompt only."""
    tokenizer = _characters(("<|endoftext|>", "<unk>"), unknown="<unk>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)]
    )
    config = Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, intermediate_size=64, max_position_embeddings=256, pad_token_id=0,
    )  # fmt: skip
    specials = {"pad_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "padding_side": "left"}
    _save(folder, Qwen3Model, config, tokenizer, specials)
    prompts = {"query": QUERY, "document": ""}
    _sentence_files(folder, ["Transformer", "Pooling", "Normalize"], "lasttoken", prompts, max_tokens=100)
    return folder


CHAT_TEMPLATE = (
    "{% for one in messages %}<|im_start|>{{ one['role'] }}\n{{ one['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHAT_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
NEAR = 24  # tokens that a model with a sliding window sees
CHATS: dict[str, tuple[type[PreTrainedModel], Any, dict[str, Any]]] = {
    "llama": (LlamaForCausalLM, LlamaConfig, {}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {"head_dim": 8}),
    "mistral": (MistralForCausalLM, MistralConfig, {"sliding_window": NEAR}),
    "gemma3": (
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        {"head_dim": 8, "sliding_window": NEAR, "layer_types": ["sliding_attention", "full_attention"]},
    ),
}


def tiny_chat(folder: Path, kind: str = "llama") -> Path:
    """A causal model of random weights with bytes for tokens and a chat template; kind: of CHATS."""
    network, config, more = CHATS[kind]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: at for at, token in enumerate((*CHAT_TOKENS, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(CHAT_TOKENS))
    settings = config(
        vocab_size=len(vocabulary), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=64, max_position_embeddings=8_192, pad_token_id=0,
        bos_token_id=0, eos_token_id=2, initializer_range=0.5, **more,
    )  # fmt: skip
    specials = {"pad_token": CHAT_TOKENS[0], "eos_token": CHAT_TOKENS[2], "chat_template": CHAT_TEMPLATE}
    _save(folder, network, settings, tokenizer, specials)
    return folder


def rewrite(path: Path, **changes: object) -> None:
    """Sets keys of a JSON file."""
    content = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(content | changes), "utf-8")


def _characters(specials: tuple[str, ...], unknown: str) -> Tokenizer:
    letters = sorted({*map(chr, range(32, 127)), *"äöüßé猫狗爵士乐登山"})
    vocabulary = {token: at for at, token in enumerate((*specials, *letters))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.add_special_tokens(list(specials))
    return tokenizer


def _save(
    folder: Path,
    kind: type[PreTrainedModel],
    config: PretrainedConfig,
    tokenizer: Tokenizer,
    specials: dict[str, str],
) -> None:
    torch.manual_seed(7)
    folder.mkdir(parents=True, exist_ok=True)
    kind(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    rewrite(
        folder / "tokenizer_config.json",
        tokenizer_class="PreTrainedTokenizerFast",
        model_max_length=1_000,
        **specials,
    )


def _save_dense(folder: Path, width: int) -> None:
    from safetensors.torch import save_file

    folder.mkdir()
    weights = {"linear.weight": torch.randn(width, WIDTH), "linear.bias": torch.randn(width)}
    save_file(weights, folder / "model.safetensors")
    rewrite(
        folder / "config.json",
        in_features=WIDTH,
        out_features=width,
        bias=True,
        activation_function="torch.nn.modules.activation.Tanh",
    )


def _sentence_files(
    folder: Path,
    modules: list[str],
    pooling: str,
    prompts: dict[str, str],
    max_tokens: int,
    lowercases: bool = False,
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "idx": at,
            "name": str(at),
            "path": "" if module == "Transformer" else f"{at}_{module}",
            "type": f"sentence_transformers.models.{module}",
        }
        for at, module in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(rows), "utf-8")
    pools = folder / "1_Pooling"
    pools.mkdir()
    flag = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens", "lasttoken": "lasttoken"}[pooling]
    rewrite(pools / "config.json", word_embedding_dimension=WIDTH, **{f"pooling_mode_{flag}": True})
    rewrite(folder / "sentence_bert_config.json", max_seq_length=max_tokens, do_lower_case=lowercases)
    rewrite(folder / "config_sentence_transformers.json", prompts=prompts)
