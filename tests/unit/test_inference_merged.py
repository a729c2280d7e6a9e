"""Low-rank updates merged into a model beside the one that they were learned on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.low_rank import adapt
from glowplug.inference.merged import Update, beside, merged

NAMES = ("0", "2.inner")


def model() -> nn.Sequential:
    torch.manual_seed(3)
    deep = nn.Sequential()
    deep.add_module("inner", nn.Linear(6, 5))
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), deep, nn.LayerNorm(5))


def updates() -> dict[str, Update]:
    torch.manual_seed(4)
    return {"0": (torch.randn(2, 4), torch.randn(6, 2)), "2.inner": (torch.randn(2, 6), torch.randn(5, 2))}


def test_merged_layers_say_what_updated_ones_do() -> None:
    plain, rows = model(), torch.randn(7, 4)
    adapted = beside(plain)
    adapt(adapted, updates(), 0.5)
    torch.testing.assert_close(merged(plain, updates(), 0.5)(rows), adapted(rows))
    assert not torch.allclose(merged(plain, updates(), 0.5)(rows), plain(rows), atol=0.1)


def test_the_model_stays_as_it_is_and_all_but_the_updated_weights_are_shared() -> None:
    plain, rows = model(), torch.randn(7, 4)
    before = plain(rows)
    out = merged(plain, updates(), 0.5)
    torch.testing.assert_close(plain(rows), before, rtol=0, atol=0)
    own, theirs = dict(plain.named_parameters()), dict(out.named_parameters())
    apart = {name for name in own if own[name] is not theirs[name]}
    assert apart == {f"{name}.weight" for name in NAMES}


def test_in_bfloat16_only_the_sum_is_rounded() -> None:
    exact, half = merged(model(), updates(), 0.5), merged(model().bfloat16(), updates(), 0.5)
    for name in NAMES:
        one, other = (found.get_parameter(f"{name}.weight") for found in (exact, half))
        assert other.dtype == torch.bfloat16
        torch.testing.assert_close(other.float(), one, rtol=2**-7, atol=2**-8)


def test_only_linear_layers_are_updated() -> None:
    with pytest.raises(TypeError, match="3 is no linear layer"):
        merged(model(), {"3": (torch.randn(2, 5), torch.randn(5, 2))}, 1.0)
