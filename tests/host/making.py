"""What the fixtures of every family of networks make with the nodes."""

from functools import lru_cache

import torch
from safetensors.torch import save_file


def link(files, sources):
    """Files under their names in the host's models folder: {"loras/x.safetensors": path}."""
    for name, file in sources.items():
        folder, name = name.split("/")
        place = getattr(files, folder) / name
        place.unlink(missing_ok=True)
        place.symlink_to(file)


def loader(call, files, weights, prefix):
    """load(hidden=256, depth=2, …): tiny random weights through the stock loader."""

    def load(hidden=256, depth=2, singles=3, **options):
        name = "-".join(f"{v}" for v in (prefix, hidden, depth, singles, *options.items())) + ".safetensors"
        if not (files.diffusion_models / name).exists():
            save_file(weights(hidden, depth, singles, **options), files.diffusion_models / name)
        return call("UNETLoader", unet_name=name, weight_dtype="default")[0]

    return load


def conditions(call, clip, vae, picture, reference_size=64):
    usual = {"clip": clip, "vae": vae, "reference_size": reference_size}

    def make(prompt, *phrases, output=0, sizes=(), prompts=(), strengths=(), **options):
        subjects = {}
        for i, phrase in enumerate(phrases):
            height, width = sizes[i] if i < len(sizes) else (64, 64)
            subjects[f"subject_{i + 1}"] = call(
                "MusarSubject",
                image=picture(height, width, seed=i),
                phrase=phrase,
                prompt=prompts[i] if i < len(prompts) else "",
                strength=strengths[i] if i < len(strengths) else 1.0,
            )[0]
        return call("MusarConditioning", **{**usual, "prompt": prompt, "subjects": subjects, **options})[
            output
        ]

    return make


def guided(call, model, kind, size=(96, 80), steps=2, channels=16, cell=8, **inputs):
    """Samples by a guider of core's: guided(call, model, "DualCFGGuider", cond1=…, …)."""
    return call(
        "SamplerCustomAdvanced",
        noise=call("RandomNoise", noise_seed=1)[0],
        guider=call(kind, model=model, **inputs)[0],
        sampler=call("KSamplerSelect", sampler_name="euler")[0],
        sigmas=call("BasicScheduler", model=model, scheduler="simple", steps=steps, denoise=1.0)[0],
        latent_image={"samples": torch.zeros(1, channels, size[0] // cell, size[1] // cell)},
    )[0]["samples"]


def sampler(call, condition, channels, cell):
    nothing = lru_cache(lambda: condition(""))

    def run(model, positive, negative=None, size=(96, 80), batch=1, steps=2, cfg=1.0, latent=None, **options):
        if latent is None:
            latent = {"samples": torch.zeros(batch, channels, size[0] // cell, size[1] // cell)}
        out = call(
            "KSampler",
            model=model,
            seed=options.pop("seed", 7),
            steps=steps,
            cfg=cfg,
            sampler_name="euler",
            scheduler="simple",
            positive=positive,
            negative=negative or nothing(),
            latent_image=latent,
            denoise=options.pop("denoise", 1.0),
        )[0]
        assert not options
        return out["samples"]

    return run
