"""The dual LoRA in the host: each token sees its own branch, nothing else changes, nothing stays."""

import gc
import itertools
import weakref

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

PROMPT = "a dog, a robot, a house and a star on the beach"
PHRASES = ("dog", "robot", "house", "star")
HIDDEN = 256


def layers(depth=2, singles=3, hidden=HIDDEN):
    """Every linear layer that a branch can sit on: name -> (inputs, outputs)."""
    found = {}
    for i in range(depth):
        for stream in ("img", "txt"):
            block = f"double_blocks.{i}.{stream}"
            found[f"{block}_attn.qkv"] = (hidden, 3 * hidden)
            found[f"{block}_attn.proj"] = (hidden, hidden)
            found[f"{block}_mlp.0"] = (hidden, 4 * hidden)
            found[f"{block}_mlp.2"] = (4 * hidden, hidden)
    for i in range(singles):
        found[f"single_blocks.{i}.linear1"] = (hidden, 7 * hidden)
        found[f"single_blocks.{i}.linear2"] = (5 * hidden, hidden)
    return found | {"img_in": (64, hidden), "txt_in": (64, hidden), "final_layer.linear": (hidden, 64)}


def stream(name):
    return "joint" if "single" in name else "text" if "txt" in name else "image"


def weights(seed, rank=4, names=None, alpha=None, dtype=torch.float32, scale=0.3):
    """A LoRA in the host's own naming, on all layers or on some; rank may be a function of the name."""
    g = torch.Generator().manual_seed(seed)
    state = {}
    for name, (inputs, outputs) in layers().items():
        if names is not None and name not in names:
            continue
        r = rank(name) if callable(rank) else rank
        key = f"diffusion_model.{name}"
        state[f"{key}.lora_A.weight"] = (torch.randn(r, inputs, generator=g) * inputs**-0.5).to(dtype)
        state[f"{key}.lora_B.weight"] = (torch.randn(outputs, r, generator=g) * scale * r**-0.5).to(dtype)
        if alpha is not None:
            state[f"{key}.alpha"] = torch.tensor(float(alpha))
    return state


def merged(state, name, alpha=None):
    """The dense change of one layer's weight, by hand."""
    a, b = (state.get(f"diffusion_model.{name}.lora_{x}.weight") for x in "AB")
    return None if a is None else b.float() @ a.float() * (1 if alpha is None else alpha / a.shape[0])


@pytest.fixture
def lora(files, call):
    """lora(model, subject, noise=None, …): MUSAR Dual LoRA with these weights as files."""
    counter = itertools.count()

    def put(model, subject, noise=None, **options):
        names = []
        for state in (subject, noise):
            if state is not None:
                names.append(f"branch-{next(counter)}.safetensors")
                save_file(state, files.loras / names[-1])
        return call(
            "MusarDualLora", model=model, subject_lora=names[0], noise_lora=(names + ["none"])[1], **options
        )[0]

    return put


@pytest.fixture
def by_hand(flux, pack):
    """by_hand(changes): multiplies each token range by its own merged weight while it lasts.

    `changes(name)` gives the change of a layer's weight for the subject branch and the noise branch.
    With `stored` weights that only the host can read, the change is multiplied alone and added.
    """
    now, handles = pack("nodes.host.layout_now").layout_now, []

    def install(changes, model=flux, stored=False):
        for name in layers():
            layer = model.model.diffusion_model.get_submodule(name)
            kind, change = stream(name), changes(name)

            def forward(module, inputs, output, kind=kind, changes=change):
                (x,), layout = inputs, now()
                first = layout.X.start if kind == "image" else 0
                own = [p for i in range(layout.count) for p in (layout.CT(i), layout.CI(i))]
                for parts, change in zip((own, [layout.X]), changes):
                    for part in parts:
                        part = slice(part.start - first, part.stop - first)
                        if change is None or part.start < 0 or part.stop > x.shape[1]:
                            continue  # of the other stream
                        if stored:
                            output[:, part] += F.linear(x[:, part], change)
                        else:
                            output[:, part] = F.linear(x[:, part], module.weight + change, module.bias)

            handles.append(layer.register_forward_hook(forward))

    yield install
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("count", (1, 2, 3, 4))
@pytest.mark.parametrize("prompts", (("a dog", "", "a house", ""), ()))
def test_each_token_sees_its_own_merged_weight(
    flux, route, sample, condition, lora, by_hand, owners, count, prompts
):
    sizes = ((64, 64), (32, 64), (64, 48), (32, 32))
    subjects = condition(PROMPT, *PHRASES[:count], sizes=sizes, prompts=prompts)
    subject, noise = weights(1, rank=8), weights(2, rank=2)
    model = route(lora(flux, subject, noise, subject_strength=0.8, noise_strength=-0.5))
    ours = sample(model, subjects, batch=2, steps=1)
    assert (ours - sample(flux, subjects, batch=2, steps=1)).abs().max() > 0.01
    owners.replay(list(owners.seen))
    by_hand(lambda name: (merged(subject, name) * 0.8, merged(noise, name) * -0.5))
    theirs = sample(route(flux), subjects, batch=2, steps=1)
    scale = flux.model.latent_format.scale_factor
    assert (ours - theirs).abs().max() * scale <= 1e-5


def test_strength_zero_is_no_node(flux, lora, route, sample, condition):
    subjects = condition(PROMPT, "dog")
    off = lora(flux, weights(1), weights(2), subject_strength=0.0, noise_strength=0.0)
    assert off is flux
    one = lora(flux, weights(1), weights(2), subject_strength=0.0, noise_strength=1.0)
    other = lora(flux, weights(3), weights(2), subject_strength=0.0, noise_strength=1.0)
    assert torch.equal(sample(route(one), subjects), sample(route(other), subjects))


def test_without_subjects_neither_branch_acts(flux, lora, route, sample, condition):
    plain = condition(PROMPT)
    model = route(lora(flux, weights(1), weights(2)))
    assert torch.equal(sample(model, plain), sample(flux, plain))


def test_the_prompt_and_native_references_are_frozen(
    flux, lora, route, sample, condition, call, vae, picture
):
    """The tokens of T and of extra leave the first text and image layers as without the node."""
    latent = {"samples": vae.encode(picture(48, 64, seed=9))}
    subjects = call(
        "ReferenceLatent", conditioning=condition(PROMPT, "dog", prompts=("a dog",)), latent=latent
    )[0]
    network, kept = flux.model.diffusion_model, []
    model = route(lora(flux, weights(1), weights(2)))

    def run(model):
        kept.clear()
        handles = [
            network.get_submodule(f"double_blocks.0.{s}_attn.norm").register_forward_pre_hook(
                lambda m, inputs: kept.append(torch.cat(inputs[:3], -1))  # q, k and v
            )
            for s in ("txt", "img")
        ]
        sample(model, subjects, steps=1)
        for handle in handles:
            handle.remove()
        return {t.shape[2]: t for t in kept}

    plain, changed = run(route(flux)), run(model)
    (text, image) = sorted(plain, reverse=True)  # 256 words and more against 30 + 16 + 12 patches
    prompt = condition(PROMPT)[0][0].shape[1]
    assert torch.equal(plain[text][:, :, :prompt], changed[text][:, :, :prompt])
    assert not torch.equal(plain[text][:, :, prompt:], changed[text][:, :, prompt:])
    extra = (48 // 16) * (64 // 16)
    assert torch.equal(plain[image][:, :, -extra:], changed[image][:, :, -extra:])
    assert not torch.equal(plain[image][:, :, :-extra], changed[image][:, :, :-extra])


def test_works_without_the_routing_node(flux, lora, sample, condition, route):
    """The branches still know which token is whose; nothing is routed then."""
    subjects = condition(PROMPT, "dog", prompts=("a dog",))
    model = lora(flux, weights(1), weights(2))
    assert torch.equal(sample(model, subjects), sample(route(model, static=False, dynamic=False), subjects))


def test_several_nodes_add_up(flux, lora, route, sample, condition):
    subjects = condition(PROMPT, "dog", "robot")
    once = lora(flux, weights(1), weights(2), subject_strength=0.6, noise_strength=0.4)
    twice = lora(
        lora(flux, weights(1), weights(2), subject_strength=0.3, noise_strength=0.3),
        weights(1),
        weights(2),
        subject_strength=0.3,
        noise_strength=0.1,
    )
    whole = sample(route(once), subjects)
    assert (sample(route(twice), subjects) - whole).abs().max() <= 1e-4 * whole.abs().max()
    assert torch.equal(sample(route(twice), subjects), sample(route(twice), subjects))


def test_before_and_after_routing_and_stock_loras(
    flux, lora, route, sample, condition, call, files, by_hand, owners
):
    subjects = condition(PROMPT, "dog", "robot")
    save_file(weights(7, scale=0.1), files.loras / "everything.safetensors")
    stock = {"lora_name": "everything.safetensors", "strength_model": 1.0}
    first = route(lora(call("LoraLoaderModelOnly", model=flux, **stock)[0], weights(1), weights(2)))
    last = call("LoraLoaderModelOnly", model=lora(route(flux), weights(1), weights(2)), **stock)[0]
    out = sample(first, subjects, steps=1)
    assert torch.equal(out, sample(last, subjects, steps=1))
    owners.replay(list(owners.seen))
    by_hand(lambda name: (merged(weights(1), name), merged(weights(2), name)))
    loaded = call("LoraLoaderModelOnly", model=flux, **stock)[0]
    theirs = sample(route(loaded), subjects, steps=1)
    assert (out - theirs).abs().max() * flux.model.latent_format.scale_factor <= 1e-5


def test_one_file_for_both(flux, lora, route, sample, condition, files, call):
    subject, noise = weights(1, rank=8), weights(2, rank=2)
    both = {f"subject.{k}": v for k, v in subject.items()} | {f"noise.{k}": v for k, v in noise.items()}
    save_file(both, files.loras / "dual.safetensors", {"musar_format": "1", "step": "400"})
    model = call("MusarDualLora", model=flux, subject_lora="dual.safetensors")[0]
    subjects = condition(PROMPT, "dog", "robot")
    assert torch.equal(sample(route(model), subjects), sample(route(lora(flux, subject, noise)), subjects))


def test_ranks_alpha_missing_targets_and_halves(flux, lora, route, sample, condition, by_hand, owners):
    names = [n for i, n in enumerate(layers()) if i % 3]
    subject = weights(1, rank=lambda n: 2 + len(n) % 5, names=names, alpha=2)
    subjects = condition(PROMPT, "dog", "robot")
    ours = sample(route(lora(flux, subject)), subjects, steps=1)
    owners.replay(list(owners.seen) * 3)
    halves = [
        sample(route(lora(flux, {k: v.to(dtype) for k, v in subject.items()})), subjects, steps=1)
        for dtype in (torch.float16, torch.bfloat16)
    ]
    by_hand(lambda name: (merged(subject, name, 2), None))
    scale = flux.model.latent_format.scale_factor
    assert (ours - sample(route(flux), subjects, steps=1)).abs().max() * scale <= 1e-5
    for half, bound in zip(halves, (2e-3, 2e-2)):  # rounded weights: 2^-11 and 2^-8
        assert 0 < (half - ours).abs().max() * scale <= bound


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


def scaled_fp8(state):
    """A FLUX file as published in scaled fp8: one scale beside each matrix of a block."""
    out = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for key, value in state.items():
        out[key] = value
        if "_blocks." in key and key.endswith(".weight") and value.ndim == 2:
            scale = value.abs().max() / 448
            out[key] = (value / scale).to(torch.float8_e4m3fn)
            out[f"{key.removesuffix('.weight')}.scale_weight"] = scale
    return out


@pytest.mark.parametrize("stored", ("fp8_e4m3fn", "fp8_e5m2", "scaled"))
def test_on_fp8_weights(call, files, lora, route, sample, condition, by_hand, owners, stored):
    """Nothing reads the base weights, so they may be stored in whatever the host can run."""
    from demo.tiny import flux_weights

    state = flux_weights(HIDDEN, 2, 3)
    save_file(
        scaled_fp8(state) if stored == "scaled" else state, files.diffusion_models / f"{stored}.safetensors"
    )
    how = "default" if stored == "scaled" else stored
    base = call("UNETLoader", unet_name=f"{stored}.safetensors", weight_dtype=how)[0]
    assert (
        base.model.diffusion_model.double_blocks[0].img_attn.qkv.weight.dtype != torch.float32
        or stored == "scaled"
    )
    subjects, subject, noise = condition(PROMPT, "dog", "robot"), weights(1), weights(2)
    plain = sample(route(base), subjects, steps=1)
    owners.seen.clear()
    ours = sample(route(lora(base, subject, noise)), subjects, steps=1)
    assert torch.equal(sample(route(base), subjects, steps=1), plain)
    owners.replay(list(owners.seen))
    by_hand(lambda name: (merged(subject, name), merged(noise, name)), base, stored=True)
    theirs = sample(route(base), subjects, steps=1)
    scale = base.model.latent_format.scale_factor
    assert (ours - theirs).abs().max() * scale <= 1e-5 < 0.01 < (ours - plain).abs().max()


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
