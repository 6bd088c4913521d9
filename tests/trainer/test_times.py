"""At which times a run learns, and how they reach the network."""

import math

import pytest
import torch
from diffusers import FluxTransformer2DModel

from tools.comfy_server import ROOT
from training.config import read_config
from training.network.batch import Batch
from training.network.model import Trained, Variant, Wiring
from training.run.sampler import sigmas
from training.run.times import draw_times, shift_of

PLAIN = {"mean": 0.0, "std": 1.0, "shift": None}


def drawn(settings, tokens=1024, count=200_000):
    return draw_times(count, settings, tokens, torch.Generator().manual_seed(0))


def test_auto_is_fluxs_own_line():
    assert [shift_of("auto", n) for n in (256, 4096)] == pytest.approx([0.5, 1.15])
    assert shift_of("auto", 1024) == pytest.approx(0.63)
    assert shift_of(None, 1024) == 0 and shift_of(0.7, 1024) == 0.7


@pytest.mark.parametrize("shift", (None, "auto", 1.15, -0.5))
def test_a_shift_is_the_schedules(shift):
    """Each time is moved as FLUX moves its steps."""
    mu = shift_of(shift, 2048)
    before, after = drawn(PLAIN, 2048, 1000), drawn(PLAIN | {"shift": shift}, 2048, 1000)
    rise = math.exp(mu)
    assert torch.allclose(after, rise * before / (1 + (rise - 1) * before), atol=1e-6)


def test_the_share_near_noise():
    """What ComfyUI's schedule spends there was hardly trained without a shift."""
    host = float((sigmas(25)[:-1] > 0.9).float().mean())
    shares = [
        float((drawn(PLAIN | {"shift": s}, n) > 0.9).float().mean())
        for s, n in ((None, 1024), ("auto", 1024), ("auto", 2048), (1.15, 1024))
    ]
    assert host == pytest.approx(0.28, abs=0.005)
    assert shares == pytest.approx([0.014, 0.059, 0.082, 0.148], abs=0.003)


def test_sprites_times_are_what_they_were():
    settings = read_config(ROOT / "training" / "configs" / "sprites.yaml", [])["time"]
    g = torch.Generator().manual_seed(3)
    assert torch.equal(
        draw_times(50, settings, 99, torch.Generator().manual_seed(3)),
        (1.5 + 1.2 * torch.randn(50, generator=g)).sigmoid(),
    )


@pytest.mark.parametrize("exact", (True, False))
def test_times_under_autocast(exact):
    """ComfyUI embeds float32 times; diffusers rounds them to the activations' type first."""
    flux = FluxTransformer2DModel(
        num_layers=1,
        num_single_layers=0,
        num_attention_heads=1,
        joint_attention_dim=8,
        pooled_projection_dim=8,
        guidance_embeds=True,
    )
    model = Trained(flux, Variant(ranks={"subject": 1}), Wiring(exact_times=exact, guidance=3.5))
    seen = []
    flux.time_text_embed.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    batch = Batch(torch.zeros(2, 4, 64), (2, 2), torch.zeros(2, 3, 8), torch.zeros(2, 8), (), None)
    times = torch.tensor([0.1234567, 0.9876543])
    with torch.autocast("cpu", torch.bfloat16):
        model(batch, torch.zeros(2, 4, 64), times)
    ((time, guidance, _),) = seen
    assert torch.equal(time.float(), 1000 * times) == exact
    assert (time - 1000 * times).abs().max() < 3
    assert torch.equal(guidance.float(), torch.full((2,), 3500.0)) == exact
