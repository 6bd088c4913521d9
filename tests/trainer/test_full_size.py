"""The study of full size, on networks so small that it takes seconds."""

from functools import partial

import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers import Flux2Transformer2DModel, FluxTransformer2DModel

from studies.full_size.__main__ import MODELS, case_of, config_of, told
from studies.full_size.measure import measure

SMALL = {"num_layers": 1, "num_single_layers": 1, "num_attention_heads": 1, "joint_attention_dim": 64}
NETWORKS = {"dev": partial(FluxTransformer2DModel, guidance_embeds=True), "klein": Flux2Transformer2DModel}


@pytest.fixture(autouse=True)
def own_precision():
    """Accelerate has one a process; the other tests train without."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def build(model):
    with torch.device("meta"):
        return NETWORKS[model](**SMALL).to(torch.bfloat16)


def run(model, steps, folder, diptych=True, save=True):
    name, file = MODELS[model]
    config = config_of(file, name, 64, "diptych", steps, ["variant.ranks={subject: 4, noise: 2}"])
    return measure(partial(build, model), config, case_of(64, diptych), folder, save)


@pytest.mark.parametrize("model", MODELS)
def test_a_run_goes_on_from_its_checkpoint(model, tmp_path):
    whole = run(model, 3, tmp_path / "whole")
    assert (whole["first step"], whole["steps"], whole["tokens"]) == (1, 3, 512 + 32 + 2 * (16 + 16))
    begun = run(model, 2, tmp_path / "parts")
    rest = run(model, 3, tmp_path / "parts")
    assert (rest["first step"], rest["steps"]) == (3, 1)
    assert [begun["loss"][0], rest["loss"][1]] == whole["loss"]
    assert "1 steps from 3" in told({"model": model} | rest)
    with pytest.raises(ValueError, match="of step 3 already.*--steps"):
        run(model, 3, tmp_path / "parts")


def test_a_run_that_only_measures_leaves_no_checkpoint(tmp_path):
    figures = run("klein", 5, tmp_path, save=False)
    assert figures["timed"] == 2 and figures["seconds a step"] > 0
    assert not list(tmp_path.glob("*.safetensors"))
