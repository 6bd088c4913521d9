"""The dual LoRA in the host: each token sees its own branch, and nothing else changes."""

import pytest
import torch
from safetensors.torch import save_file

from .branches import HIDDEN, PHRASES, PROMPT, layers, merged, weights


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


def test_one_plain_file_as_both_branches_is_held_once(flux, route, sample, condition, files, call):
    for name in ("one", "copy"):
        save_file(weights(1, rank=8), files.loras / f"{name}.safetensors")
    subjects, strengths = condition(PROMPT, "dog", "robot"), {"subject_strength": 1.0, "noise_strength": 0.5}
    apart, once = (
        call("MusarDualLora", model=flux, subject_lora="one.safetensors", noise_lora=noise, **strengths)[0]
        for noise in ("copy.safetensors", "one.safetensors")
    )
    assert torch.equal(sample(route(once), subjects), sample(route(apart), subjects))
    held = [
        sum(
            p.numel()
            for weights in m.additional_models.values()
            for w in weights
            for p in w.model.parameters()
        )
        for m in (apart, once)
    ]
    assert held[1] == sum(t.numel() for n, t in weights(1, rank=8).items() if "alpha" not in n) < held[0]


def test_a_copy_for_another_gpu_is_refused(lora, flux):
    """As MultiGPU CFG Split asks for it."""
    model = lora(flux, weights(1), weights(2))
    (held,) = (w for kept in model.additional_models.values() for w in kept)
    make, arguments = held.cached_patcher_init
    with pytest.raises(RuntimeError, match="MUSAR Dual LoRA works on one GPU. Put Select Model"):
        make(*arguments)
    if hasattr(held, "deepclone_multigpu"):
        with pytest.raises(RuntimeError, match="works on one GPU"):
            held.deepclone_multigpu()


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
    from tools.tiny import flux_weights

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


def test_factors_are_no_wider_than_the_model_computes(flux, lora, monkeypatch):
    def widths(state):
        (held,) = (m for kept in lora(flux, state).additional_models.values() for m in kept)
        return {p.dtype for p in held.model.parameters()}

    wide, narrow = weights(1), {n: t.to(torch.bfloat16) for n, t in weights(1).items()}
    assert widths(wide) == {torch.float32} and widths(narrow) == {torch.bfloat16}
    monkeypatch.setattr(flux.model, "manual_cast_dtype", torch.bfloat16)
    assert widths(wide) == {torch.bfloat16} and widths(narrow) == {torch.bfloat16}
