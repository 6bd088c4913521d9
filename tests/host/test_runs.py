"""One run leaves nothing behind for the next, however it ended; memory is counted."""

import gc
import weakref

import comfy.model_management
import pytest
import torch

PROMPT = "a dog and a robot on the beach"


@pytest.fixture
def subjects(condition):
    return condition(PROMPT, "dog", "robot")


def test_cancelled_then_run_again(flux, route, sample, subjects, pack, monkeypatch):
    model = route(flux)
    whole = sample(model, subjects, steps=4)
    calls = []
    module = pack("nodes.host.wrapper").RoutedCall
    attention = module.attention

    def cancel(self, *args, **kwargs):
        calls.append(weakref.ref(self))
        if len(calls) == 8:  # in the middle of the second step
            comfy.model_management.interrupt_current_processing()
            comfy.model_management.throw_exception_if_processing_interrupted()
        return attention(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(module, "attention", cancel)
        with pytest.raises(comfy.model_management.InterruptProcessingException):
            sample(model, subjects, steps=4)
    gc.collect()
    assert len(calls) == 8 and all(call() is None for call in calls)
    assert torch.equal(sample(model, subjects, steps=4), whole)


def test_an_exception_then_run_again(flux, route, sample, subjects, pack, monkeypatch):
    model = route(flux)
    whole = sample(model, subjects)
    with monkeypatch.context() as patch:
        patch.setattr(pack("nodes.host.routed_call"), "affinity", lambda *a: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sample(model, subjects)
    assert torch.equal(sample(model, subjects), whole)


def test_cloned_unloaded_and_loaded_again(flux, route, sample, subjects):
    model = route(flux)
    whole = sample(model, subjects)
    assert torch.equal(sample(model.clone(), subjects), whole)
    comfy.model_management.unload_all_models()
    assert torch.equal(sample(model, subjects), whole)
    assert torch.equal(sample(flux, subjects), sample(flux.clone(), subjects))


def test_nothing_outlives_a_call(flux, route, sample, subjects, pack, monkeypatch):
    module, alive = pack("nodes.host.wrapper"), []
    original = module.RoutedCall

    def watch(*args):
        call = original(*args)
        alive.append(weakref.ref(call))
        return call

    monkeypatch.setattr(module, "RoutedCall", watch)
    sample(route(flux), subjects, steps=3)
    gc.collect()
    assert len(alive) == 3 and all(call() is None for call in alive)


def test_memory_estimate_counts_the_references(flux, route, sample, subjects, condition, monkeypatch):
    from comfy.model_base import Flux

    shapes, original = [], Flux.memory_required

    def record(self, input_shape, cond_shapes=None):
        needed = original(self, input_shape, cond_shapes=cond_shapes or {})
        shapes.append((needed, dict(cond_shapes or {})))
        return needed

    monkeypatch.setattr(Flux, "memory_required", record)
    sample(route(flux), condition(PROMPT))
    alone = max(needed for needed, _ in shapes)
    shapes.clear()
    sample(route(flux), subjects)
    assert max(needed for needed, _ in shapes) > alone
    # Two references of 8 × 8 latent cells beside a picture of 12 × 10.
    assert any(s.get("ref_latents") and s["ref_latents"][0][2] == 2 * 64 for _, s in shapes)
