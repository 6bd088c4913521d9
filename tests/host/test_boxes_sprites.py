"""Boxes that place subjects, in ComfyUI and in the study: one picture, and what it is worth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from demo.painter import FILES, FLUX, TEXT, UNO, VAE
from sprites.judge import judge, read_cells
from studies.anyms.asked import boxed_cases
from studies.training_free import ways
from studies.training_free.models import every_model
from studies.training_free.ways import Way, bend
from training.network.batch import collate, encode_example, pack, unpack
from training.run.draw import draw, nothing_said

from .making import link

CFG, SEED, UNTIL = 2.0, 5, 0.3


@pytest.fixture(scope="module")
def hosted(call, files, route):
    link(files, FILES)
    model = call("UNETLoader", unet_name=FLUX, weight_dtype="default")[0]
    model = call("LoraLoaderModelOnly", model=model, lora_name=UNO, strength_model=1.0)[0]
    return {
        "model": route(model, static=False, evidence="centred"),
        "vae": call("VAELoader", vae_name=VAE)[0],
        "clip": call("MusarDemoTextEncoder", text_encoder=TEXT)[0],
    }


@pytest.fixture(scope="module")
def in_host(call, hosted, sample):
    """in_host(case, layout_until, steps): the latent as the sampler leaves it, and the references' own."""

    def run(case, until, steps):
        subjects = {
            f"subject_{k}": call(
                "MusarSubject", image=torch.from_numpy(look).float()[None] / 255, phrase=s.kind, prompt=""
            )[0]
            for k, (look, s) in enumerate(zip(case.looks, case.scene.subjects), 1)
        }
        width, height = case.scene.columns * 8, case.scene.rows * 8
        boxes = [
            {"x": b.left * width, "y": b.top * height}
            | {"width": (b.right - b.left) * width, "height": (b.bottom - b.top) * height}
            for b in case.boxes
        ]
        words = {"clip": hosted["clip"], "vae": hosted["vae"], "prompt": case.words, "subjects": subjects}
        inputs = {"boxes": [boxes], "layout_until": until, "reference_size": 64}
        positive = call("MusarConditioning", **words, **inputs)[0]
        nothing = call("CLIPTextEncode", clip=hosted["clip"], text="")[0]
        latent = {"samples": torch.zeros(1, 16, case.scene.rows, case.scene.columns)}
        out = sample(hosted["model"], positive, nothing, latent=latent, steps=steps, cfg=CFG, seed=SEED)
        return out, positive[0][1]["reference_latents"]

    return run


@pytest.fixture(scope="module")
def artist(hosted):
    (variant,) = (v for v in every_model() if v.name == "leaking uno")
    return variant.artist()


def test_host_and_study_draw_the_same_picture(hosted, in_host, artist, owners, monkeypatch):
    import comfy.sample

    steps, (case,) = 4, boxed_cases(3, 1)
    out, references = in_host(case, UNTIL, steps)
    host, decided = hosted["vae"].decode(out), list(owners.seen)
    batch = collate([encode_example(case.example, artist.encoder, False)])
    for condition, latent in zip(batch.conditions, references):
        condition.image.copy_(pack(hosted["model"].model.process_latent_in(latent))[0])
    noise = pack(comfy.sample.prepare_noise(torch.zeros(1, 16, case.scene.rows, case.scene.columns), SEED))
    silent, decode = nothing_said(batch, artist.encoder.prompt("")), hosted["vae"].decode
    way = Way(rule="centred", boxes=True, held=UNTIL)

    def in_study(way):
        left = iter(decided)
        monkeypatch.setattr(ways, "assign", lambda evidence, allowed: next(left))
        bend(artist.model, way, steps, [case])
        out = unpack(draw(artist.model, batch, noise, steps, silent, CFG), batch.size[0])
        return decode(hosted["model"].model.process_latent_out(out))

    assert (host - in_study(way)).abs().max() <= 1e-3
    assert (host - in_study(replace(way, held=0.0))).abs().max() > 0.1, "it acts"


def test_subjects_are_drawn_in_their_boxes(hosted, in_host):
    """A floor under docs/results.md's figures: five pictures, not hundreds."""
    found = {}
    for until in (0.0, UNTIL):
        layouts, identities = [], []
        for case in boxed_cases(2, 5):
            pixels = hosted["vae"].decode(in_host(case, until, 10)[0])[0]
            cells = read_cells((pixels.clamp(0, 1) * 255).round().byte().numpy())
            verdict = judge(cells, case.request)
            layouts.append(verdict.layout)
            identities += verdict.identity
        found[until] = np.mean(layouts), np.mean(identities)
    assert found[UNTIL][0] >= max(0.9, found[0.0][0] + 0.1)
    assert found[UNTIL][1] >= found[0.0][1] + 0.05
