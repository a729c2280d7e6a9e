"""Which device and number format a model runs in."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from glowplug.errors import BadSettings
from glowplug.settings import EncoderSettings

# Without one of these a CPU emulates bfloat16 and is slower than with float32 (with them: twice as fast).
BFLOAT16_ON_CPU = ("avx512_bf16", "amx_bf16", "sve_bf16")


def device_of(settings: EncoderSettings) -> torch.device:
    """Raises BadSettings when CUDA is asked for and is not there."""
    has_cuda = torch.cuda.is_available()
    if settings.device == "cuda" and not has_cuda:
        raise BadSettings("encoder.device is cuda, but PyTorch sees no CUDA device here; set it to auto or cpu")
    return torch.device("cuda" if has_cuda and settings.device != "cpu" else "cpu")


def dtype_of(settings: EncoderSettings, device: torch.device) -> torch.dtype:
    if settings.dtype == "auto":
        gains = torch.cuda.is_bf16_supported(including_emulation=False) if device.type == "cuda" else _cpu_gains()
        return torch.bfloat16 if gains else torch.float32
    chosen: torch.dtype = getattr(torch, settings.dtype)
    return chosen


def _cpu_gains() -> bool:
    capabilities: Mapping[str, object] = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BFLOAT16_ON_CPU)


def is_out_of_memory(error: BaseException) -> bool:
    """CUDA has an exception of its own; the CPU allocator says it in the text of a RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "not enough memory" in str(error)
    )
