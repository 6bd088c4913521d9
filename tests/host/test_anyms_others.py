"""AnyMS on SDXL beside nodes of other packs: couples, areas, and what takes its layers."""

# ruff: noqa: F811 - fixtures come by their import

import pytest
import torch

from . import narrow
from .test_anyms_sdxl import BASE, CLOSE, apart, draw, encoder, lay, model  # noqa: F401


@pytest.mark.parametrize("batch", (1, 2))
def test_several_prompts_for_the_positive(adapter, lay, draw, model, batch):
    """As Attention Couple has them: its queries once for each, and the outcomes folded back."""

    def rows(q, options):
        sides = options["cond_or_uncond"]
        return list(zip(q.chunk(len(sides)), sides))

    def more(q, k, v, options):
        doubled = (
            torch.cat([part if side else part.repeat(2, 1, 1) for part, side in rows(t, options)])
            for t in (q, k, v)
        )
        return tuple(doubled)

    def folded(out, options):
        sides, each = options["cond_or_uncond"], options["activations_shape"][0]
        each //= len(sides)
        parts = out.split([each if side else 2 * each for side in sides])
        return torch.cat(
            [p if side else p.view(2, each, *p.shape[1:]).mean(0) for p, side in zip(parts, sides)]
        )

    couple = model.clone()
    couple.set_model_attn2_patch(more)
    couple.set_model_attn2_output_patch(folded)
    some = adapter(BASE, narrow.LAYERS)
    plain = draw(lay(some), batch=batch)
    assert (
        apart(draw(lay(some, on=couple), batch=batch), plain)
        < CLOSE
        < 1e-3
        < apart(draw(couple, batch=batch), plain)
    )
    odd = model.clone()
    odd.set_model_attn2_patch(lambda q, k, v, options: tuple(torch.cat([t, t[:1]]) for t in (q, k, v)))
    odd.set_model_attn2_output_patch(lambda out, options: out[:-1])
    if batch == 2:
        with pytest.raises(ValueError, match="Attention has 5 rows where the network draws 4"):
            draw(lay(some, on=odd), batch=batch)


def test_an_area_is_refused(adapter, lay, call, monkeypatch):
    area = call(
        "ConditioningSetArea", conditioning=narrow.prompt(1), width=40, height=48, x=0, y=0, strength=1.0
    )[0]
    some = adapter(BASE, narrow.LAYERS)
    inputs = {
        "seed": 5,
        "steps": 1,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
    }
    inputs |= {"negative": narrow.prompt(2), "latent_image": {"samples": torch.zeros(1, 4, 13, 9)}}
    with pytest.raises(ValueError, match="draws 6 × 5 of the latent's 13 × 9 cells.*Set Area"):
        call("KSampler", model=lay(some), positive=area, **inputs)
    call("KSampler", model=lay(some, merge="joint"), positive=area, **inputs)
    area = call(
        "ConditioningSetArea", conditioning=narrow.prompt(2), width=40, height=48, x=0, y=0, strength=1.0
    )[0]
    call("KSampler", model=lay(some), positive=narrow.prompt(1), **inputs | {"negative": area, "cfg": 3.0})


def test_another_that_adds_to_it_is_told_where_to_go(adapter, lay):
    """IPAdapter and InstantID ask what replaces a layer to take theirs, too."""
    model = lay(adapter(BASE, narrow.LAYERS))
    there = model.model_options["transformer_options"]["patches_replace"]["attn2"]
    with pytest.raises(ValueError, match="Put it before MUSAR AnyMS Layout"):
        next(iter(there.values())).add(None, weight=1.0)


def test_layers_that_another_took_are_told(adapter, lay, draw, caplog):
    model = lay(adapter(BASE, narrow.LAYERS))
    draw(model)
    assert "layers" not in caplog.text
    there = model.model_options["transformer_options"]["patches_replace"]["attn2"]
    model = model.clone()
    model.set_model_attn2_replace(lambda q, k, v, options: q, *next(iter(there)))
    draw(model)
    assert f"asked in {len(there) - 1} of {len(there)} layers: a node behind it" in caplog.text
