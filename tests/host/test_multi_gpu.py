"""Core's MultiGPU CFG Split: each side of the guidance in a thread and on a model of its own. The two devices
here are the CPU by two names."""

import threading
from types import SimpleNamespace

import comfy.model_management
import pytest
import torch
from comfy.patcher_extension import WrappersMP
from comfy_execution.graph import DynamicPrompt
from comfy_execution.utils import CurrentNodeContext

from .branches import weights

pytestmark = pytest.mark.since("0.30.0")

PROMPT = "a dog and a robot on the beach"


@pytest.fixture
def split(call, monkeypatch):
    devices = [torch.device("cpu"), torch.device("cpu", 0)]
    monkeypatch.setattr(comfy.model_management, "get_all_torch_devices", lambda *args, **kwargs: devices)

    def run(model):
        held = comfy.model_management.current_loaded_models
        held[:] = [one for one in held if one.model is not None]  # core's node trips over what tests let go
        return call("MultiGPU_WorkUnits", model=model, max_gpus=2)[0]

    return run


@pytest.fixture
def threads(pack, monkeypatch):
    """threads: that of each call with subjects."""
    module, kept = pack("nodes.host.wrapper"), []
    original = module.lay_out

    def keep(*args):
        kept.append(threading.current_thread())
        return original(*args)

    monkeypatch.setattr(module, "lay_out", keep)
    return kept


@pytest.mark.parametrize("options", ({}, {"owners_by": "attention", "evidence": "sharp", "remember": True}))
def test_both_sides_are_routed_as_on_one(flux, condition, route, sample, split, threads, pack, options):
    sides = [condition(PROMPT, "dog", "robot", output=k, negative_prompt="blurry") for k in (0, 1)]
    one, two = route(flux, **options), split(route(flux, **options))
    drawn = [sample(model, *sides, cfg=3.0, steps=3) for model in (one, two)]
    assert torch.equal(*drawn)
    assert len(threads) == 4 * 3 and len(set(threads)) == 2 + 1
    ((here,), (there,)) = (pack("nodes.host.record").records_of(model).now.shown for model in (one, two))
    assert here.steps.keys() == there.steps.keys() and len(here.steps) == 3
    for sigma, step in here.steps.items():
        assert torch.equal(step.owned, there.steps[sigma].owned)


def test_a_dual_lora_stays_on_one(flux, lora, route, split):
    with pytest.raises(RuntimeError, match="MUSAR Dual LoRA works on one GPU. .*take MultiGPU CFG Split out"):
        split(route(lora(flux, weights(1), weights(2))))


def test_the_map_is_shown_while_it_draws(flux, condition, route, sample, split, pack, monkeypatch):
    live, keys, sent = pack("nodes.host.live"), pack("nodes.host.keys"), []
    graph = DynamicPrompt({"3": {"class_type": "MusarRouting", "inputs": {}}})
    server = SimpleNamespace(
        client_id="me",
        sockets_metadata={"me": {"feature_flags": {live.SHOWS: True}}},
        send_sync=lambda event, data, client: sent.append((data[1]["node_id"], data[1]["prompt_id"], client)),
    )
    monkeypatch.setattr(live.PromptServer, "instance", server, raising=False)
    model = split(route(flux))
    routing = model.get_wrappers(WrappersMP.DIFFUSION_MODEL, keys.WRAPPER)[-1]
    routing.live = live.LivePreview(SimpleNamespace(unique_id="3", dynprompt=graph))
    sides = [condition(PROMPT, "dog", "robot", output=k, negative_prompt="blurry") for k in (0, 1)]
    with CurrentNodeContext("this prompt", "5"):
        sample(model, *sides, cfg=3.0, steps=3)
    assert sent == [("3", "this prompt", "me")] * 3
