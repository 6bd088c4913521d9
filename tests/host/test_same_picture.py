"""The shipped dual LoRA draws the same picture in ComfyUI and with the trainer's own sampler."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import training.network.routing
from demo.painter import FILES, FLUX, LORA, MODELS, TEXT, UNO, VAE
from sprites.world.identity import all_identities
from sprites.world.palette import picture
from sprites.world.scene import reference
from training.data.example import Example, Reference
from training.encoders.sprites import SpritesEncoder
from training.network.base import load_base
from training.network.batch import collate, encode_example, pack, unpack
from training.network.model import Trained, Variant, Wiring
from training.run.draw import draw, nothing_said

from .making import link

STEPS, CFG, SEED = 8, 2.0, 5
WISHES = [
    ("a cat next to a robot on the beach", ("a cat", "a robot"), 22, 16),
    ("a duck, another duck and a boat at night", ("a duck", "another duck", "a boat"), 22, 16),
]


RULES = {"dual": "raw", "off the prompt": "centred", "by reference": "centred", "by attention": "sharp"}
BY = {"by reference": "reference", "by attention": "attention"}


@pytest.fixture(scope="module", params=("dual", "off the prompt", "by reference", "by attention"))
def kind(request):
    """MUSAR's own two branches, or a UNO as both of them, or so with owners by something else."""
    return request.param


@pytest.fixture(scope="module")
def trained(kind):
    dual = kind == "dual"
    ranks = {"subject": 64, "noise": 4 if dual else 64}
    variant = Variant(ranks=ranks, rule=RULES[kind], owners_by=BY.get(kind, "phrase"))
    model = Trained(load_base(MODELS / FLUX), variant, Wiring(guidance=3.5))
    state = load_file(FILES[f"loras/{LORA if dual else UNO}"])
    if not dual:
        state = {f"{branch}.{n}": t for branch in ranks for n, t in state.items()}
        state = {n: t for n, t in state.items() if n in model.lora.exported()}
    model.lora.load_exported(state)
    return model.eval()


@pytest.fixture(scope="module")
def hosted(call, files, kind):
    link(files, FILES)
    model = call("UNETLoader", unet_name=FLUX, weight_dtype="default")[0]
    model = call(
        "MusarDualLora",
        model=model,
        subject_lora=LORA if kind == "dual" else UNO,
        noise_lora="none" if kind == "dual" else UNO,
        subject_strength=1.0,
        noise_strength=1.0,
    )[0]
    vae = call("VAELoader", vae_name=VAE)[0]
    clip = call("MusarDemoTextEncoder", text_encoder=TEXT)[0]
    return model, vae, clip


def example(words, names, columns, rows):
    looks = all_identities()
    references = []
    for k, name in enumerate(names):
        kind = name.split()[-1]
        before = sum(n.split()[-1] == kind for n in names[:k])
        image = picture(reference(kind, looks[40 * k + 7]))
        references.append(Reference(image, name, kind, before))
    return Example(words, tuple(references), picture(np.zeros((rows, columns), int)))


def condition(call, vae, clip, example):
    subjects = {
        f"subject_{k}": call(
            "MusarSubject",
            image=torch.from_numpy(r.image).float()[None] / 255,
            phrase=r.phrase,
            prompt=r.words,
            strength=1.0,
        )[0]
        for k, r in enumerate(example.references, 1)
    }
    return call(
        "MusarConditioning",
        clip=clip,
        vae=vae,
        prompt=example.prompt,
        subjects=subjects,
        reference_size=64,
        positions="diagonal",
        guidance=3.5,
    )[0]


@pytest.mark.parametrize("wish", WISHES, ids=lambda w: w[0])
def test_host_and_trainer_draw_the_same_picture(
    call, hosted, trained, kind, route, sample, owners, monkeypatch, wish
):
    import comfy.sample

    model, vae, clip = hosted
    asked = example(*wish)
    positive = condition(call, vae, clip, asked)
    negative = call("CLIPTextEncode", clip=clip, text="")[0]
    latent = torch.zeros(1, 16, *(side // 8 for side in asked.target.shape[:2]))
    out = sample(
        route(
            model,
            evidence=RULES[kind],
            owners_by=BY.get(kind, "phrase"),
        ),
        positive,
        negative,
        latent={"samples": latent},
        steps=STEPS,
        cfg=CFG,
        seed=SEED,
    )
    inside = model.model.process_latent_in

    # the trainer's own words and noise; references as the host's VAE encoded them
    encoder = SpritesEncoder(MODELS)
    encoded = [pack(inside(r))[0] for r in positive[0][1]["reference_latents"]]
    batch = collate([encode_example(asked, encoder)])
    for condition_, image in zip(batch.conditions, encoded):
        condition_.image.copy_(image)
    noise = pack(comfy.sample.prepare_noise(latent, SEED))
    left = iter(owners.seen)
    monkeypatch.setattr(training.network.routing, "assign", lambda affinity: next(left))
    silent = nothing_said(batch, encoder.prompt(""))
    ours = unpack(draw(trained, batch, noise, STEPS, silent, CFG), batch.size[0])

    host, trainer = (vae.decode(x) for x in (out, model.model.process_latent_out(ours)))
    assert (host - trainer).abs().max() <= 1e-3
    assert next(left, None) is None
    assert len(np.unique((host * 255).round().byte().reshape(-1, 3), axis=0)) > 4, "nothing was drawn"
