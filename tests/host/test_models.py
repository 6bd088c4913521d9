"""Every model that cannot be routed says why, in a sentence of its own."""

import comfy.model_base
import pytest
import torch


@pytest.fixture(scope="session")
def built(load_flux):
    """Narrow models of the host's own classes, built in this process."""
    from comfy.sd import load_diffusion_model_state_dict

    from tools.tiny import flux_weights

    def longcat():
        weights = flux_weights(256, 1, 1, guidance=False)
        weights = {k: v for k, v in weights.items() if not k.startswith("vector_in")}
        weights["txt_in.weight"] = torch.zeros(256, 3584)
        return load_diffusion_model_state_dict(weights)

    makers = {
        "LongCatImage": longcat,
        "Fill": lambda: load_flux(256, 1, 1, channels=96),
        "Canny": lambda: load_flux(256, 1, 1, channels=32),
    }
    return lambda name: makers[name]()


@pytest.mark.parametrize(
    "name, says",
    (
        ("LongCatImage", "model is LongCat-Image"),
        ("Fill", "FLUX.1 Fill with 384 input channels"),
        ("Canny", "FLUX.1 Canny or Depth with 128 input channels"),
    ),
)
def test_relatives(built, route, name, says):
    model = built(name)
    if hasattr(comfy.model_base, name):
        assert type(model.model).__name__ == name
    with pytest.raises(ValueError, match=says) as error:
        route(model)
    assert "FLUX.1 dev, schnell or Kontext" in str(error.value)


def test_other_kinds(route, flux):
    """Classes of the host that are no FLUX, and a relative nobody has heard of yet."""
    chroma = object.__new__(comfy.model_base.Chroma)
    other = object.__new__(comfy.model_base.SD3)
    unknown = object.__new__(type("Flux9", (comfy.model_base.Flux,), {}))
    for base, says in (
        (chroma, "model is Chroma"),
        (other, "model is SD3, and MUSAR patches FLUX.1 and FLUX.2"),
        (unknown, "model is Flux9, a relative"),
    ):
        patcher = flux.clone()
        patcher.model = base
        with pytest.raises(ValueError, match=says):
            route(patcher)


def test_control_lora_is_refused_when_it_widens_the_latent(flux, route, condition, sample):
    def widen(executor, x, *args, **kwargs):
        return executor(torch.cat([x, x], 1), *args, **kwargs)

    from comfy.patcher_extension import WrappersMP

    model = flux.clone()
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "control lora", widen)
    with pytest.raises(ValueError, match="gets 32 latent channels and the references have 16"):
        sample(route(model), condition("a dog", "dog"))
