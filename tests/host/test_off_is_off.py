"""Off means off: without routing, or without subjects, the host's own picture bit for bit."""

import torch

PROMPT = "a dog and a robot on the beach"


def test_routing_without_subjects(flux, route, sample, condition):
    plain = condition(PROMPT)
    assert torch.equal(sample(route(flux), plain), sample(flux, plain))


def test_conditioning_without_subjects_is_the_stock_one(call, clip, condition):
    ours = condition(PROMPT, guidance=2.2)
    stock = call("CLIPTextEncode", clip=clip, text=PROMPT)[0]
    stock = call("FluxGuidance", conditioning=stock, guidance=2.2)[0]
    assert torch.equal(ours[0][0], stock[0][0])
    assert ours[0][1].keys() == stock[0][1].keys()
    assert torch.equal(ours[0][1]["pooled_output"], stock[0][1]["pooled_output"])
    assert ours[0][1]["guidance"] == stock[0][1]["guidance"] == 2.2


def test_subjects_without_routing_are_plain_references(flux, sample, condition, call):
    """The plan rides along unread: the same as core's Set Reference Latent."""
    subjects = condition(PROMPT, "dog", "robot")
    stock = condition(PROMPT)
    for latent in subjects[0][1]["reference_latents"]:
        stock = call("ReferenceLatent", conditioning=stock, latent={"samples": latent})[0]
    assert torch.equal(sample(flux, subjects), sample(flux, stock))
    assert not torch.equal(sample(flux, subjects), sample(flux, condition(PROMPT)))


def test_routing_leaves_the_model_it_was_given_alone(flux, route, sample, condition):
    subjects = condition(PROMPT, "dog", "robot")
    before = sample(flux, subjects)
    routed = sample(route(flux), subjects)
    assert torch.equal(sample(flux, subjects), before)
    assert not torch.equal(routed, before)
    assert torch.equal(sample(route(flux), subjects), routed)


def test_strength_zero_is_without_the_subject(flux, route, sample, condition):
    both = condition(PROMPT, "dog", "robot", strengths=(0, 1))
    with_dog_gone = sample(route(flux), both)
    assert len(both[0][1]["reference_latents"]) == 1
    none = condition(PROMPT, "dog", "robot", strengths=(0, 0))
    assert torch.equal(sample(route(flux), none), sample(flux, condition(PROMPT)))
    assert not torch.equal(with_dog_gone, sample(flux, condition(PROMPT)))


def test_both_off_is_one_unmasked_call(flux, route, sample, condition, call):
    """Diagonal positions are the host's own `uxo`, so the host alone gives the reference."""
    subjects = condition(PROMPT, "dog", "robot", sizes=((64, 64), (64, 48)))
    stock = call(
        "FluxKontextMultiReferenceLatentMethod", conditioning=subjects, reference_latents_method="uxo/uno"
    )[0]
    off = sample(route(flux, static=False, dynamic=False), subjects)
    assert (off - sample(flux, stock)).abs().max() <= 1e-6
