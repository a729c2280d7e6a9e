"""How a model wants to be used, read from the sentence-transformers files in its folder. Data only, never code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glowplug.errors import ModelMissing, shown
from glowplug.inference.encoder import Kind

POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
# Configurations written before sentence-transformers 6 hold one boolean per mode, concatenated in this order.
FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")
PROMPT_NAMES: dict[Kind, tuple[str, ...]] = {  # the names, in the order, that sentence-transformers looks for
    "item": ("document", "passage", "corpus"),
    "user": ("query",),
}


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer after pooling; its weights are in `folder`/model.safetensors."""

    folder: str
    activation: str
    has_bias: bool


@dataclass(frozen=True, slots=True)
class Normalize:
    """Unit length in the middle of the modules; at their end every vector is normalised anyway."""


After = Dense | Normalize


@dataclass(frozen=True, slots=True)
class Layout:
    """transformer: subfolder of the model proper, mostly "". poolings: more than one are concatenated.
    max_tokens, dim: None where the files leave it to the model."""

    transformer: str
    poolings: tuple[str, ...]
    pools_prompt: bool
    after: tuple[After, ...]
    prompts: dict[Kind, str]
    max_tokens: int | None
    lowercases: bool
    dim: int | None


def read_layout(folder: Path) -> Layout:
    """Without modules.json, as sentence-transformers does it: mean pooling, or the last token of a causal LM.

    Raises ModelMissing for a module, pooling or activation that Glowplug does not run.
    """
    modules = _json(folder / "modules.json")
    settings = _json(folder / "config_sentence_transformers.json") or {}
    transformer = ""
    poolings: tuple[str, ...] = ()
    pools_prompt = True
    after: list[After] = []
    for row in modules or []:
        kind, path = _module(row, folder), str(row.get("path", ""))
        config = _json(folder / path / "config.json") or {} if path else {}
        if kind == "Transformer":
            transformer = path
        elif kind == "Pooling":
            poolings, pools_prompt = _poolings(config, folder), bool(config.get("include_prompt", True))
        elif kind == "Dense":
            after.append(_dense(config, path, folder))
        elif kind == "Normalize":
            after.append(Normalize())
    limits = _limits(folder / transformer)
    return Layout(
        transformer=transformer,
        poolings=poolings or (_default_pooling(folder / transformer),),
        pools_prompt=pools_prompt,
        after=tuple(after),
        prompts=_prompts(settings),
        max_tokens=limits.get("max_seq_length"),
        lowercases=bool(limits.get("do_lower_case", False)),
        dim=settings.get("truncate_dim"),
    )


def _module(row: dict[str, Any], folder: Path) -> str:
    package, _, name = str(row.get("type", "")).rpartition(".")
    if package.split(".")[0] != "sentence_transformers" or name not in (
        "Transformer", "Pooling", "Dense", "Normalize", "Dropout",
    ):  # fmt: skip
        raise ModelMissing(
            f"the model in {shown(str(folder))} has a module {shown(row.get('type'))}, which Glowplug does not run "
            "(Transformer, Pooling, Dense and Normalize it does; code from a model's folder never); choose another"
        )
    return name


def _poolings(config: dict[str, Any], folder: Path) -> tuple[str, ...]:
    named = config.get("pooling_mode")
    if named is None:
        modes = tuple(mode for flag, mode in FLAGS.items() if config.get(flag)) or ("mean",)
    else:
        modes = (named,) if isinstance(named, str) else tuple(named)
    for mode in modes:
        if mode not in POOLINGS:
            raise ModelMissing(
                f"the model in {shown(str(folder))} pools by {shown(mode)}; known are {', '.join(POOLINGS)}"
            )
    return modes


def _dense(config: dict[str, Any], path: str, folder: Path) -> Dense:
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    name = activation.rpartition(".")[2]
    if not activation.startswith("torch.nn.") or name not in ACTIVATIONS or config.get("use_residual"):
        raise ModelMissing(
            f"the Dense module {shown(path)} of the model in {shown(str(folder))} needs "
            f"{shown(activation)}{' and a residual' if config.get('use_residual') else ''}; "
            f"Glowplug runs {', '.join(ACTIVATIONS)} of torch.nn without residual: choose another model"
        )
    return Dense(path, name, bool(config.get("bias", True)))


def _prompts(settings: dict[str, Any]) -> dict[Kind, str]:
    """As encode_query and encode_document choose; empty where the files name none."""
    stored: dict[str, str | None] = dict(settings.get("prompts") or {})
    chosen: dict[Kind, str] = {}
    for kind, names in PROMPT_NAMES.items():
        prompts = [stored[name] for name in names if stored.get(name)]
        chosen[kind] = str(prompts[0]) if prompts else ""
    return chosen


def _limits(folder: Path) -> dict[str, Any]:
    """sentence_bert_config.json; early models name it after their architecture (sentence_roberta_config.json)."""
    for path in sorted(folder.glob("sentence_*_config.json")):
        return dict(_json(path) or {})
    return {}


def _default_pooling(folder: Path) -> str:
    config = _json(folder / "config.json") or {}
    architectures = config.get("architectures") or [""]
    is_causal = str(architectures[0]).endswith("ForCausalLM") and config.get("is_causal", True)
    return "lasttoken" if is_causal else "mean"


def _json(path: Path) -> Any:
    """The file's content; None where there is none."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelMissing(
            f"{shown(str(path))} of the model cannot be read ({error}); fetch the model again"
        ) from error
