"""What people do with a conditioning and a sampler: all of it works, or says why not."""

import pytest
import torch

PROMPT = "a dog and a robot on the beach"


@pytest.fixture
def subjects(condition):
    return condition(PROMPT, "dog", "robot")


def test_zeroed_negative_owns_nothing(flux, route, sample, subjects, call, owners):
    """ConditioningZeroOut keeps the plan, so both halves go through in one batch."""
    negative = call("ConditioningZeroOut", conditioning=subjects)[0]
    out = sample(route(flux), subjects, negative, cfg=3.0)
    assert torch.isfinite(out).all()
    flat = torch.cat([o for o in owners.seen])
    silent = (flat == -1).all(1)
    assert silent.any() and (~silent).any()
    assert ((flat == -1).any(1) == silent).all()
    assert silent.sum() == (~silent).sum()


@pytest.mark.parametrize("zeroed", (True, False))
def test_normalized_attention_guidance(flux, route, sample, subjects, condition, call, zeroed):
    """Core's node wants both sides in one call: they are that with a zeroed negative, and with no other."""
    negative = call("ConditioningZeroOut", conditioning=subjects)[0] if zeroed else condition("a tree")
    calls, pictures = [], []

    def counted(run, x, *args, **kwargs):
        calls.append(len(x))
        return run(x, *args, **kwargs)

    scales = {"nag_scale": 5.0, "nag_alpha": 0.5, "nag_tau": 1.5}
    for model in (route(flux), call("NAGuidance", model=route(flux), **scales)[0]):
        model = model.clone()
        model.add_wrapper("diffusion_model", counted)
        pictures.append(sample(model, subjects, negative, cfg=1.0, steps=2))
    plain, guided = pictures
    assert ((guided - plain).abs().max() > 1e-3 * plain.abs().max()) == zeroed
    assert sum(calls) == 2 + 2 * 2, "a side in two steps without it, two with it"


def test_batch_of_different_pictures(flux, route, sample, subjects):
    out = sample(route(flux), subjects, batch=3)
    assert out.shape[0] == 3 and not torch.equal(out[0], out[1])


def test_image_to_image(flux, route, sample, subjects, vae, picture):
    latent = {"samples": vae.encode(picture(96, 80, seed=3))}
    gentle = sample(route(flux), subjects, latent=latent, denoise=0.3, steps=3)
    assert torch.isfinite(gentle).all() and not torch.equal(gentle, latent["samples"])


def test_combined(flux, route, sample, subjects, condition, call, owners):
    other = condition("a cat and a house", "cat", "house", sizes=((64, 64), (32, 32)))
    both = call("ConditioningCombine", conditioning_1=subjects, conditioning_2=other)[0]
    assert torch.isfinite(sample(route(flux), both)).all()
    alone = len(owners.seen)
    sample(route(flux), subjects)
    assert alone == 2 * (len(owners.seen) - alone)


def test_combined_with_itself_is_itself(flux, route, sample, subjects, call):
    twice = call("ConditioningCombine", conditioning_1=subjects, conditioning_2=subjects)[0]
    once = sample(route(flux), subjects)
    assert (sample(route(flux), twice) - once).abs().max() <= 1e-5 * once.abs().max()


def test_ranges_of_steps(flux, route, sample, subjects, condition, call, owners):
    early = call("ConditioningSetTimestepRange", conditioning=subjects, start=0.0, end=0.5)[0]
    late = call("ConditioningSetTimestepRange", conditioning=condition(PROMPT), start=0.5, end=1.0)[0]
    both = call("ConditioningCombine", conditioning_1=early, conditioning_2=late)[0]
    assert torch.isfinite(sample(route(flux), both, steps=4)).all()
    ranged = len(owners.seen)
    sample(route(flux), subjects, steps=4)
    assert 0 < ranged < len(owners.seen) - ranged


@pytest.mark.parametrize("size", ((72, 88), (104, 56), (8, 8)))
def test_sizes_that_are_no_multiple_of_16(flux, route, sample, subjects, size):
    out = sample(route(flux), subjects, size=size)
    assert out.shape[-2:] == (size[0] // 8, size[1] // 8) and torch.isfinite(out).all()


def test_second_pass_at_another_size(flux, route, sample, condition, owners):
    """Boxes on a canvas are fractions: they hold at both sizes."""
    boxes = [{"x": 0, "y": 0, "width": 40, "height": 80}, {"x": 40, "y": 0, "width": 40, "height": 80}]
    subjects = condition(PROMPT, "dog", "robot", boxes=boxes, canvas_width=80, canvas_height=80)
    model = route(flux)
    first = sample(model, subjects, size=(64, 64))
    larger = torch.nn.functional.interpolate(first, scale_factor=2)
    sample(model, subjects, latent={"samples": larger}, denoise=0.5)
    for owner in owners.seen:
        side = int(owner.shape[1] ** 0.5)
        columns = owner.view(side, side)
        assert (columns[:, : side // 2] == 0).all() and (columns[:, side // 2 :] == 1).all()


def test_area_without_boxes(flux, route, sample, subjects, call, owners):
    area = call("ConditioningSetArea", conditioning=subjects, width=48, height=64, x=16, y=0, strength=1.0)[0]
    assert torch.isfinite(sample(route(flux), area)).all()
    assert {o.shape[1] for o in owners.seen} == {(64 // 16) * (48 // 16)}


def test_area_with_boxes_is_refused(flux, route, sample, condition, call):
    boxed = condition(PROMPT, "dog", "robot", boxes={"x": 0, "y": 0, "width": 32, "height": 32})
    area = call("ConditioningSetArea", conditioning=boxed, width=48, height=64, x=16, y=0, strength=1.0)[0]
    with pytest.raises(ValueError, match="Set Area.*Use one or the other"):
        sample(route(flux), area)
    assert torch.isfinite(sample(flux, area)).all()  # without routing boxes mean nothing


def test_mask_bounds_with_boxes_are_refused(flux, route, sample, condition, call):
    boxed = condition(PROMPT, "dog", "robot", boxes={"x": 0, "y": 0, "width": 32, "height": 32})
    mask = torch.zeros(1, 96, 80)
    mask[:, :48] = 1
    bounded = call(
        "ConditioningSetMask", conditioning=boxed, mask=mask, set_cond_area="mask bounds", strength=1.0
    )[0]
    with pytest.raises(ValueError, match="Set Mask with mask bounds"):
        sample(route(flux), bounded)


@pytest.mark.parametrize(
    "given", ({"boxes": {"x": 0, "y": 0, "width": 32, "height": 32}}, {"strengths": (0.5, 1)})
)
def test_boxes_and_strengths_need_dynamic_routing(flux, route, sample, condition, given):
    with pytest.raises(ValueError, match="only dynamic routing gives them out"):
        sample(route(flux, dynamic=False), condition(PROMPT, "dog", "robot", **given))


def test_boxes_decide_overlaps_by_affinity_and_leave_the_rest(flux, route, sample, condition, owners):
    boxes = [[{"x": 0, "y": 0, "width": 48, "height": 96}, {"x": 16, "y": 0, "width": 48, "height": 96}]]
    sample(route(flux), condition(PROMPT, "dog", "robot", boxes=boxes), size=(96, 96))
    seen = torch.stack([o.view(6, 6) for o in owners.seen])
    assert (seen[..., 0] == 0).all() and (seen[..., 3] == 1).all() and (seen[..., 4:] == -1).all()
    assert set(seen[..., 1:3].unique().tolist()) == {0, 1}


def test_the_last_routing_node_decides(flux, route, sample, subjects):
    twice = route(route(flux), static=False, dynamic=False)
    assert torch.equal(sample(twice, subjects), sample(route(flux, static=False, dynamic=False), subjects))


def test_schnell_and_kontext(load_flux, route, sample, condition, owners):
    """Schnell has no guidance input; Kontext is dev's network and counts references by index."""
    out = sample(route(load_flux(guidance=False)), condition(PROMPT, "dog", "robot"), steps=1)
    kontext = sample(route(load_flux(seed=4), static=False), condition(PROMPT, "dog", positions="index"))
    assert torch.isfinite(out).all() and torch.isfinite(kontext).all() and owners.seen


@pytest.mark.parametrize("positions", ("index", "offset"))
def test_positions_are_the_hosts_own(flux, route, sample, condition, call, positions):
    """Offset is what the host does with FLUX.1 unless it is told otherwise."""
    sizes = ((64, 64), (48, 64), (96, 32), (32, 32))
    prompt = "a dog, a robot, a cat and a house"
    subjects = condition(prompt, "dog", "robot", "cat", "house", sizes=sizes, positions=positions)
    method = {"conditioning": subjects, "reference_latents_method": positions}
    (stock,) = call("FluxKontextMultiReferenceLatentMethod", **method)
    off = sample(route(flux, static=False, dynamic=False), subjects)
    assert (off - sample(flux, stock)).abs().max() <= 1e-6


def test_positions_differ(flux, route, sample, condition):
    pictures = [
        sample(route(flux), condition(PROMPT, "dog", "robot", positions=p))
        for p in ("diagonal", "column", "index", "offset")
    ]
    assert all(not torch.equal(pictures[i], pictures[i - 1]) for i in range(4))


def test_strength_between(flux, route, sample, condition):
    full, half, none = (
        sample(route(flux), condition(PROMPT, "dog", "robot", strengths=(s, 1))) for s in (1.0, 0.5, 0.01)
    )
    assert torch.isfinite(half).all() and not torch.equal(half, full) and not torch.equal(half, none)


def test_nan_latents_stay_nan_and_do_no_harm(flux, route, sample, subjects):
    """As in the host: the picture is lost, the model is not."""
    model = route(flux)
    before = sample(model, subjects)
    broken = sample(
        model, subjects, latent={"samples": torch.full((1, 16, 12, 10), float("nan"))}, denoise=0.5
    )
    assert broken.isnan().all()
    assert torch.equal(sample(model, subjects), before)


@pytest.mark.parametrize("positions", ["diagonal", "index", "column", "offset"])
def test_places_of_references_are_taken_in_turn(flux, route, sample, condition, pack, monkeypatch, positions):
    module, seen = pack("nodes.host.routed_call"), []
    original = module.reference_ids
    monkeypatch.setattr(module, "reference_ids", lambda *args: seen.append(original(*args)) or seen[-1])
    prompt = "a dog, a robot and a house"
    drawn = [
        sample(route(flux), condition(prompt, "dog", "robot", "house", positions=positions, places=places))
        for places in (0, 3, 2, 1)
    ]
    assert torch.equal(drawn[0], drawn[1]), "as many as there are references"
    assert not torch.equal(drawn[0], drawn[2]) and not torch.equal(drawn[2], drawn[3])
    first, second, third = seen[-1]
    assert torch.equal(first, second) and torch.equal(first, third)
