"""Other nodes on the same model: chained where they can be, named where they cannot."""

import copy

import pytest
import torch
from safetensors.torch import save_file

PROMPT = "a dog and a robot on the beach"
OVERRIDE = "optimized_attention_override"


@pytest.fixture
def subjects(condition):
    return condition(PROMPT, "dog", "robot")


def _with_wrapper(model, wrapper):
    import comfy.patcher_extension as extension

    other = model.clone()
    other.add_wrapper_with_key(extension.WrappersMP.DIFFUSION_MODEL, "other", wrapper)
    return other


def _swallow(executor, x, t, context, y, guidance, ref, control, options, **kwargs):
    options = {**options, OVERRIDE: lambda func, *a, **kw: func(*a, **kw)}
    return executor(x, t, context, y, guidance, ref, control, options, **kwargs)


def test_an_override_that_swallows_ours_is_an_error(flux, route, sample, subjects, condition):
    model = _with_wrapper(route(flux), _swallow)
    with pytest.raises(RuntimeError, match="another node took the attention"):
        sample(model, subjects)
    assert torch.isfinite(sample(model, condition(PROMPT))).all()


def test_lost_patches_are_an_error(flux, route, sample, subjects):
    def forget(executor, x, t, context, y, guidance, ref, control, options, **kwargs):
        return executor(x, t, context, y, guidance, ref, control, {**options, "patches": {}}, **kwargs)

    with pytest.raises(RuntimeError, match="could not place the references"):
        sample(_with_wrapper(route(flux), forget), subjects)


def test_tokens_added_inside_the_model_are_an_error(flux, route, sample, subjects):
    model = flux.clone()
    model.set_model_post_input_patch(
        lambda a: {
            **a,
            "txt": torch.cat([a["txt"][:, :3], a["txt"]], 1),
            "txt_ids": torch.cat([a["txt_ids"][:, :3], a["txt_ids"]], 1),
        }
    )
    with pytest.raises(ValueError, match="adds tokens inside the model"):
        sample(route(model), subjects)


def test_lost_references_are_an_error(flux, route, sample, subjects):
    import node_helpers

    lost = node_helpers.conditioning_set_values(
        subjects, {"reference_latents": subjects[0][1]["reference_latents"][:1]}
    )
    with pytest.raises(ValueError, match="plans 2 references, and the model gets 1, or others"):
        sample(route(flux), lost)


def test_timestep_zero_method_is_an_error(flux, route, sample, subjects, call):
    zero = call(
        "FluxKontextMultiReferenceLatentMethod",
        conditioning=subjects,
        reference_latents_method="index_timestep_zero",
    )[0]
    with pytest.raises(ValueError, match="index_timestep_zero .*which FLUX.1 cannot run"):
        sample(route(flux), zero)


def test_a_model_that_a_cache_skips(flux, route, sample, subjects, call):
    """EasyCache leaves the model out on some steps; that is no lost routing."""
    cached = call(
        "EasyCache", model=route(flux), reuse_threshold=3.0, start_percent=0.0, end_percent=1.0, verbose=False
    )[0]
    assert torch.isfinite(sample(cached, subjects, steps=6)).all()


def test_stock_lora_next_to_routing(flux, route, sample, subjects, call, files):
    g = torch.Generator().manual_seed(0)
    lora = {}
    for block in ("double_blocks.0.img_attn.proj", "single_blocks.1.linear2"):
        wide = 256 if "img_attn" in block else 256 * 5
        lora[f"diffusion_model.{block}.lora_A.weight"] = torch.randn(4, wide, generator=g) * 0.1
        lora[f"diffusion_model.{block}.lora_B.weight"] = torch.randn(256, 4, generator=g) * 0.1
    save_file(lora, files.loras / "stock.safetensors")
    load = {"lora_name": "stock.safetensors", "strength_model": 1.0}
    before = route(call("LoraLoaderModelOnly", model=flux, **load)[0])
    after = call("LoraLoaderModelOnly", model=route(flux), **load)[0]
    out = sample(before, subjects)
    assert torch.equal(out, sample(after, subjects))
    assert not torch.equal(out, sample(route(flux), subjects))


def test_control_reaches_the_target_only(flux, route, sample, subjects):
    """What a ControlNet adds to the picture's tokens arrives at X, and at no reference."""
    network, seen = flux.model.diffusion_model, []
    handle = network.double_blocks[1].register_forward_pre_hook(
        lambda block, args, kwargs: seen.append(kwargs["img"].clone()), with_kwargs=True
    )

    def add(executor, x, t, context, y, guidance, ref, control, options, **kwargs):
        tokens = -(-x.shape[-1] // 2) * -(-x.shape[-2] // 2)
        control = {"input": [torch.ones(len(x), tokens, 256)], "output": []}
        return executor(x, t, context, y, guidance, ref, control, options, **kwargs)

    try:
        sample(route(flux), subjects, steps=1)
        sample(_with_wrapper(route(flux), add), subjects, steps=1)
    finally:
        handle.remove()
    plain, controlled = seen
    target = (96 // 16) * (80 // 16)
    assert torch.allclose(controlled[:, :target], plain[:, :target] + 1, atol=1e-5)
    assert torch.equal(controlled[:, target:], plain[:, target:]) and plain.shape[1] > target


def test_a_network_of_another_loader_is_refused(flux, route):
    """As Nunchaku's: under the host's FLUX, but out of reach of the host's patches."""

    class OwnNetwork(torch.nn.Module):
        pass

    patcher = flux.clone()
    patcher.model = object.__new__(type(flux.model))
    torch.nn.Module.__init__(patcher.model)
    patcher.model.diffusion_model = OwnNetwork()
    with pytest.raises(ValueError, match="a network of its own .OwnNetwork., as Nunchaku"):
        route(patcher)


def test_a_replaced_forward_without_any_hook_is_an_error(flux, route, sample, subjects):
    """Some caching packs replace forward_orig by a copy that asks neither for patches nor overrides."""

    def forward_orig(img, *args, **kwargs):
        return torch.zeros_like(img)

    model = route(flux)
    model.add_object_patch("diffusion_model.forward_orig", forward_orig)
    with pytest.raises(RuntimeError, match=f"could not place the references: {__name__} replaced .* restart"):
        sample(model, subjects)


def test_a_forward_that_does_not_fit_this_host_is_named(flux, route, sample, subjects, condition):
    """Many are copies of an older host's, and know less arguments."""

    def forward_orig(img, img_ids, txt, txt_ids, timesteps, y, guidance=None, control=None):
        return img

    model = route(flux)
    model.add_object_patch("diffusion_model.forward_orig", forward_orig)
    with pytest.raises(RuntimeError, match=f"^{__name__} replaced the model's forward .* EasyCache works"):
        sample(model, subjects)
    with pytest.raises(TypeError):
        sample(model, condition(PROMPT))  # the host's own words, where we have nothing to do


def test_a_network_whose_whole_forward_is_anothers_is_an_error(flux, route, sample, subjects, condition):
    """Some packs change the network's class, or put a forward on it that asks for no wrapper."""
    network = flux.model.diffusion_model
    own = type(network)

    class Changed(own):
        def forward(self, x, timestep, context, y=None, guidance=None, transformer_options=None, **kwargs):
            return self._forward(x, timestep, context, y, guidance, transformer_options=transformer_options)

    model = route(flux)
    try:
        network.__class__ = Changed
        with pytest.raises(RuntimeError, match=f"Nothing was routed: {__name__} replaced the whole"):
            sample(model, subjects)
        assert torch.isfinite(sample(model, condition(PROMPT))).all()
    finally:
        network.__class__ = own
    assert torch.isfinite(sample(model, subjects)).all()


def test_a_picture_in_tiles_is_an_error(flux, route, sample, subjects):
    """Tiles are a batch, and nobody makes as many of the references."""

    def tiled(executor, x, t, context, y, guidance, ref, control, options, **kwargs):
        out = executor(x.repeat(2, 1, 1, 1), t, context, y, guidance, ref, control, options, **kwargs)
        return out[: len(x)]

    import comfy.patcher_extension as extension

    model = flux.clone()
    model.add_wrapper_with_key(extension.WrappersMP.DIFFUSION_MODEL, "tiles", tiled)
    with pytest.raises(ValueError, match="2 pictures at once and references for 1: .* tiles"):
        sample(route(model), subjects)


def test_a_copied_conditioning_is_the_same(flux, route, sample, subjects):
    """Some nodes copy all that hangs on a conditioning."""
    assert torch.equal(sample(route(flux), copy.deepcopy(subjects)), sample(route(flux), subjects))


def test_a_partly_swallowed_override_is_logged(flux, route, sample, subjects, caplog):
    def deaf(args, extra):
        options = {k: v for k, v in args["transformer_options"].items() if k != OVERRIDE}
        return extra["original_block"]({**args, "transformer_options": options})

    model = flux.clone()
    for i in range(2):
        model.set_model_patch_replace(deaf, "dit", "double_block", i)
    sample(route(model), subjects, steps=2)
    assert caplog.text.count("reached 3 of 5 blocks") == 1  # once a run
    caplog.clear()
    sample(route(flux), subjects, steps=1)
    assert "reached" not in caplog.text


def test_keys_added_inside_a_block_are_an_error(flux, route, sample, subjects):
    def more(q, k, v, **kwargs):
        return {"q": q, "k": torch.cat([k, k[:, :, :5]], 2), "v": torch.cat([v, v[:, :, :5]], 2), "pe": None}

    model = flux.clone()
    model.set_model_attn1_patch(more)
    with pytest.raises(ValueError, match="another node adds keys inside the model"):
        sample(route(model), subjects)


def test_flux_kv_cache_is_refused(flux, route, sample, subjects, call):
    with pytest.raises(ValueError, match="Flux KV Cache"):
        sample(route(call("FluxKVCache", model=flux)[0]), subjects)
    with pytest.raises(ValueError, match="Flux KV Cache"):
        sample(call("FluxKVCache", model=route(flux))[0], subjects)
