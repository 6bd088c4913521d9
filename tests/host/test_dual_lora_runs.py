"""The dual LoRA from run to run: loaded, offloaded, ended early, taken away; nothing stays."""

import gc
import weakref

import pytest
import torch

from .branches import PROMPT, layers, weights


def test_loaded_and_taken_away_ten_times(flux, lora, route, sample, condition):
    """After the node is gone the model is as if it never was there, and its weights are freed."""
    import psutil

    subjects = condition(PROMPT, "dog", "robot")
    before, process, resident = sample(route(flux), subjects), psutil.Process(), []
    for turn in range(10):
        model = route(lora(flux, weights(turn, rank=400), weights(turn + 100)))  # 60 MB
        assert not torch.equal(sample(model, subjects), before)
        (extra,) = (m for models in model.additional_models.values() for m in models)
        tensors = [weakref.ref(p) for p in extra.model.parameters()]
        del model, extra
        assert torch.equal(sample(route(flux), subjects), before)
        gc.collect()
        assert len(tensors) > 40 and all(t() is None for t in tensors)
        assert not any(m._forward_hooks for m in flux.model.modules())
        resident.append(process.memory_info().rss)
    assert resident[-1] <= resident[2] * 1.05


@pytest.mark.parametrize("end", ("cancelled", "failed"))
def test_ended_early(flux, lora, route, sample, condition, pack, monkeypatch, end):
    import comfy.model_management as management

    subjects = condition(PROMPT, "dog", "robot")
    before, model = sample(route(flux), subjects), route(lora(flux, weights(1)))
    whole = sample(model, subjects)

    def stop(*args):
        if end == "cancelled":
            raise management.InterruptProcessingException
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(pack("nodes.host.routed_call"), "affinity", stop)
        with pytest.raises((management.InterruptProcessingException, ZeroDivisionError)):
            sample(model, subjects)
    assert torch.equal(sample(route(flux), subjects), before)
    assert not any(m._forward_hooks for m in flux.model.modules())
    assert torch.equal(sample(model, subjects), whole)


def test_the_memory_manager_counts_the_branches(flux, lora, route, sample, condition):
    import comfy.model_management as management

    model = route(lora(flux, weights(1, rank=16)))
    sample(model, condition(PROMPT, "dog"))
    loaded = {id(m.model.model): m.model_memory() for m in management.current_loaded_models}
    (extra,) = (m for models in model.additional_models.values() for m in models)
    size = sum(t.numel() * t.element_size() for t in weights(1, rank=16).values())
    assert loaded[id(extra.model)] == size


def test_other_files_between_the_same_clones(flux, lora, route, sample, condition):
    """The host takes clones with equal keys for the same model: the keys must differ."""
    subjects = condition(PROMPT, "dog")
    one, two = (route(lora(flux, weights(seed))) for seed in (1, 2))
    first, second = sample(one, subjects), sample(two, subjects)
    assert not torch.equal(first, second)
    assert torch.equal(sample(one, subjects), first) and torch.equal(sample(two, subjects), second)


def test_moved_off_and_on_the_device(flux, lora, route, sample, condition):
    import comfy.model_management as management

    model, subjects = route(lora(flux, weights(1), weights(2))), condition(PROMPT, "dog", "robot")
    whole = sample(model, subjects)
    management.unload_all_models()
    assert not any(m._forward_hooks for m in flux.model.modules())
    assert torch.equal(sample(model, subjects), whole)
    assert torch.equal(sample(model.clone(), subjects), whole)


def test_partly_loaded_branches(flux, lora, route, sample, condition):
    """Where memory is short the host leaves layers behind and casts them as they are called."""
    from comfy.patcher_extension import WrappersMP

    model, subjects = route(lora(flux, weights(1), weights(2))), condition(PROMPT, "dog")
    whole, left = sample(model, subjects), []
    (extra,) = (m for models in model.additional_models.values() for m in models)

    def drop(executor, *args, **kwargs):
        extra.detach()
        extra.load(torch.device("cpu"), lowvram_model_memory=20_000)
        left.append(sum(hasattr(m, "prev_comfy_cast_weights") for m in extra.model.modules()))
        return executor(*args, **kwargs)

    short = model.clone()
    short.additional_models = model.additional_models
    short.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "drop", drop)
    assert torch.equal(sample(short, subjects), whole)
    assert len(left) == 2 and min(left) > 40


def test_a_clone_that_dies_takes_nothing_with_it(flux, lora, route, sample, condition):
    """The host ejects a clone when it is collected, also one made while the model was loaded."""
    from comfy.patcher_extension import WrappersMP

    subjects = condition(PROMPT, "dog")
    model = route(lora(flux, weights(1), weights(2)))
    whole, hooks = sample(model, subjects, steps=3), []

    def kill(executor, *args, **kwargs):
        clone = model.clone()
        del clone
        gc.collect()
        hooks.append(sum(len(m._forward_hooks) for m in flux.model.modules()))
        return executor(*args, **kwargs)

    watched = model.clone()
    watched.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "kill", kill)
    assert torch.equal(sample(watched, subjects, steps=3), whole)
    assert hooks == [len(layers())] * 3
    watched = model = None
    sample(flux, subjects)
    gc.collect()
    assert not any(m._forward_hooks for m in flux.model.modules())


def test_a_block_that_another_node_replaced(flux, lora, route, sample, condition):
    subjects = condition(PROMPT, "dog")
    before = sample(route(flux), subjects)
    model = route(lora(flux, weights(1)))
    model.add_object_patch("diffusion_model.single_blocks.2", torch.nn.Identity())
    with pytest.raises(RuntimeError, match="finds no layer .*single_blocks.2.linear.*replaced that block"):
        sample(model, subjects)
    del model
    gc.collect()
    assert torch.equal(sample(route(flux), subjects), before)
    assert not any(m._forward_hooks for m in flux.model.modules())
