"""The adapter of Sprites in ComfyUI: read as InstantX's, and drawing what the study's network draws."""

import numpy as np
import pytest
import torch

from demo.painter import FLUX, MODELS, TEXT, VAE
from sprites.judge import judge, read_cells
from studies.anyms.asked import boxed_cases
from studies.anyms.train import ADAPTER, VISION
from studies.anyms.ways import Hand, Placing
from training.network.batch import collate, encode_example, pack, unpack
from training.run.draw import draw, nothing_said

STEPS, CFG, SEED = 4, 2.0, 5


@pytest.fixture(scope="module")
def hosted(call, files):
    for folder, file in (
        ("diffusion_models", MODELS / FLUX),
        ("vae", MODELS / VAE),
        ("text_encoders", MODELS / TEXT),
        ("ipadapter", ADAPTER),
        ("clip_vision", VISION),
    ):
        link = getattr(files, folder) / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(file)
    return {
        "model": call("UNETLoader", unet_name=FLUX, weight_dtype="default")[0],
        "vae": call("VAELoader", vae_name=VAE)[0],
        "clip": call("MusarDemoTextEncoder", text_encoder=TEXT)[0],
        "adapter": call("AnymsAdapterLoader", adapter=ADAPTER.name, siglip=VISION.name)[0],
        "clip_vision": call("MusarDemoVisionEncoder", vision_encoder=VISION.name)[0],
    }


@pytest.fixture(scope="module")
def in_host(call, hosted, sample):
    """in_host(case, merge): the latent as the sampler leaves it."""

    def run(case, merge, steps=STEPS):
        looks = [torch.from_numpy(look).float()[None] / 255 for look in case.looks]
        subjects = {
            f"subject_{k}": call("MusarSubject", image=look, phrase=s.kind, prompt="", strength=1.0)[0]
            for k, (look, s) in enumerate(zip(looks, case.scene.subjects), 1)
        }
        width, height = case.scene.columns * 8, case.scene.rows * 8
        boxes = [
            {"x": b.left * width, "y": b.top * height}
            | {"width": (b.right - b.left) * width, "height": (b.bottom - b.top) * height}
            for b in case.boxes
        ]
        parts = {name: hosted[name] for name in ("model", "adapter", "clip_vision")}
        model = call("AnymsLayout", **parts, subjects=subjects, boxes=[boxes], merge=merge)[0]
        words, nothing = (
            call("CLIPTextEncode", clip=hosted["clip"], text=text)[0] for text in (case.words, "")
        )
        latent = {"samples": torch.zeros(1, 16, case.scene.rows, case.scene.columns)}
        return sample(model, words, nothing, latent=latent, steps=steps, cfg=CFG, seed=SEED)

    return run


@pytest.mark.parametrize("merge", ["crop", "sum", "joint"])
def test_host_and_study_draw_the_same_picture(hosted, in_host, merge):
    """In boxes that overlap."""
    import comfy.sample

    (case,) = boxed_cases(3, 1, loose=1, references=False)
    out = in_host(case, merge)
    hand = Hand(Placing(merge=merge), {"steps": STEPS, "cfg": CFG, "batch": 1})
    batch = collate([encode_example(case.example, hand.artist.encoder)])
    noise = pack(comfy.sample.prepare_noise(torch.zeros(1, 16, case.scene.rows, case.scene.columns), SEED))
    hand.ready([case])
    silent = nothing_said(batch, hand.artist.encoder.prompt(""))
    ours = unpack(draw(hand.artist.model, batch, noise, STEPS, silent, CFG), batch.size[0])

    model, vae = hosted["model"].model, hosted["vae"]
    host, study = (vae.decode(x) for x in (out, model.process_latent_out(ours)))
    assert (host - study).abs().max() <= 1e-3
    hand.beside.seen = hand.positive = hand.negative = None
    alone = draw(hand.artist.model, batch, noise, STEPS, silent, CFG)
    apart = vae.decode(model.process_latent_out(unpack(alone, batch.size[0])))
    assert (host - apart).abs().max() > 0.1, "the adapter acts"


def test_subjects_are_drawn_in_their_boxes(hosted, in_host):
    """A floor under docs/results.md's figures: four pictures, not hundreds."""
    layouts, identities = [], []
    for case in boxed_cases(2, 4, references=False):
        pixels = hosted["vae"].decode(in_host(case, "crop", steps=8))[0]
        cells = read_cells((pixels.clamp(0, 1) * 255).round().byte().numpy())
        verdict = judge(cells, case.request)
        layouts.append(verdict.layout)
        identities += verdict.identity
    assert np.mean(layouts) >= 0.8 and np.mean(identities) >= 0.6
