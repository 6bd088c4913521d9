"""The graph that every shipped one is, with a little more: an API prompt, and where its nodes stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sprites.world.captions import names

from .bases import Base

PLACING = 0.3  # of the sampling: so long boxes and regions place their subjects, on FLUX.1
SIDES = {"width": "Width", "height": "Height"}  # titles of the nodes that two others have them from


@dataclass
class Graph:
    name: str
    prompt: dict[str, dict] = field(default_factory=dict)
    columns: list[list[str]] = field(default_factory=list)  # ids, from left to right
    notes: list[str] = field(default_factory=list)
    routing: dict[str, Any] = field(default_factory=dict)  # what its MUSAR Routing is told

    def add(self, number: str, kind: str, title: str, column: int, **inputs: Any) -> list:
        """The node's first output."""
        self.prompt[number] = {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}
        while len(self.columns) <= column:
            self.columns.append([])
        self.columns[column].append(number)
        return [number, 0]


def draw(
    name: str,
    base: Base,
    subjects: list[tuple[str, str]],
    words: str,
    batch: int = 1,
    boxes: list[dict] | None = None,
    start: str | None = None,
    watched: bool = False,
    seed: int = 1,
) -> Graph:
    """Every shipped graph is this one with a little more."""
    g = Graph(name)
    model = g.add("1", "UNETLoader", "Load Diffusion Model", 0, unet_name=base.model, weight_dtype="default")
    if base.dual:
        model = g.add(
            "2",
            "MusarDualLora",
            "MUSAR Dual LoRA",
            1,
            model=model,
            subject_lora=base.lora,
            noise_lora=base.noise,
            subject_strength=1.0,
            noise_strength=1.0,
        )
    elif base.lora:
        model = g.add(
            "2",
            "LoraLoaderModelOnly",
            "Load LoRA (reads references)",
            1,
            model=model,
            lora_name=base.lora,
            strength_model=1.0,
        )
    routing: dict[str, Any] = {
        "static": base.static,
        "dynamic": True,
        "start_percent": 0.0,
        "end_percent": 1.0,
    }
    routing |= {"start_block": 0, "end_block": 1000, "accumulate": True, "leak": watched}
    routing |= {"evidence": "sharp" if base.many else "centred", "settings": "as the conditioning says"}
    routing |= {"owners_by": "attention" if base.many else "reference" if base.encoder else "phrase"}
    routing |= {"remember": base.many, "smooth": base.many}
    g.routing = {"model": model} | routing
    model = g.add("3", "MusarRouting", "MUSAR Routing", 2, **g.routing)
    if base.cached:
        model = g.add("98", "FluxKVCache", "Flux KV Cache", 2, model=model)
    if base.encoder:
        encoder = {"clip_name": base.encoder, "type": "flux2", "device": "default"}
        clip = g.add("4", "CLIPLoader", "Load CLIP", 0, **encoder)
    else:
        encoder = {"clip_name1": "clip_l.safetensors", "clip_name2": "t5xxl_fp16.safetensors"}
        encoder |= {"type": "flux", "device": "default"}
        clip = g.add("4", "DualCLIPLoader", "DualCLIPLoader", 0, **encoder)
    vae = g.add("5", "VAELoader", "Load VAE", 0, vae_name=base.vae)
    wired, prompts = {}, names([phrase for phrase, _ in subjects]) if base.words else [""] * len(subjects)
    for k, ((phrase, file), condition_prompt) in enumerate(zip(subjects, prompts), 1):
        image = g.add(f"{k}0", "LoadImage", f"Reference: {phrase}", 0, image=file)
        wired[f"subjects.subject_{k}"] = g.add(
            f"{k}1",
            "MusarSubject",
            f"Subject: {phrase}",
            1,
            image=image,
            prompt=condition_prompt,
            phrase=phrase,
            strength=1.0,
        )
    placed = {}
    if boxes:
        g.add(
            "60",
            "CreateBoundingBoxes",
            "Where each subject may be",
            1,
            width=base.side,
            height=base.side,
            editor_state={"__value__": boxes},  # the host takes a bare list of two for a link
            last_incoming={"__value__": []},
        )
        placed = {"boxes": ["60", 1]}
    positive = g.add(
        "6",
        "MusarConditioning",
        "MUSAR Conditioning",
        2,
        clip=clip,
        vae=vae,
        prompt=words,
        **wired,
        reference_size=base.reference_size,
        positions=base.positions,
        guidance=base.guidance,
        **placed,
        canvas_width=0,
        canvas_height=0,
        places=0,
        preset=base.preset,
        negative_prompt="",
        layout_until=PLACING if boxes and not base.encoder else 0.0,
    )
    negative = ["6", 1]
    if base.cfg == 1:
        negative = g.add("7", "ConditioningZeroOut", "Negative (unused at CFG 1)", 3, conditioning=positive)
    sampled = _sampled_as_flux2 if base.encoder else _sampled
    samples = sampled(g, base, model, positive, negative, vae, batch, start, seed)
    picture = g.add("80", "VAEDecode", "VAE Decode", 4, samples=samples, vae=vae)
    g.add("81", "SaveImage", "Save Image", 5, images=picture, filename_prefix=f"musar/{name}")
    if watched:
        g.add(
            "90",
            "MusarRoutingPreview",
            "MUSAR Routing Preview",
            5,
            model=model,
            samples=samples,
            image=picture,
        )
        for output, (number, what) in enumerate((("91", "map"), ("92", "affinity"), ("93", "leak"))):
            g.add(
                number,
                "SaveImage",
                f"Save {what}",
                6,
                images=["90", output],
                filename_prefix=f"musar/{name}_{what}",
            )
    g.notes = [base.note]
    return g


def _start(g: Graph, base: Base, vae: list, batch: int, picture: str | None) -> tuple[list, float]:
    """Where sampling starts from: nothing, or a picture."""
    if picture is None:
        size = {"width": base.side, "height": base.side, "batch_size": batch}
        return g.add("8", "EmptySD3LatentImage", "Picture size", 3, **size), 1.0
    image = g.add("70", "LoadImage", "Picture to start from", 2, image=picture)
    return g.add("71", "VAEEncode", "VAE Encode", 3, pixels=image, vae=vae), 0.85


def _sampled(
    g: Graph,
    base: Base,
    model: list,
    positive: list,
    negative: list,
    vae: list,
    batch: int,
    start: str | None,
    seed: int,
) -> list:
    latent, denoise = _start(g, base, vae, batch, start)
    return g.add(
        "9",
        "KSampler",
        "KSampler",
        4,
        model=model,
        positive=positive,
        negative=negative,
        latent_image=latent,
        seed=seed,
        steps=base.steps,
        cfg=base.cfg,
        sampler_name="euler",
        scheduler="simple",
        denoise=denoise,
    )


def _sampled_as_flux2(
    g: Graph,
    base: Base,
    model: list,
    positive: list,
    negative: list,
    vae: list,
    batch: int,
    start: str | None,
    seed: int,
) -> list:
    """With FLUX.2's own schedule, which depends on the picture's size."""
    size = {
        side: g.add(number, "PrimitiveInt", SIDES[side], 2, value=base.side)
        for side, number in (("width", "88"), ("height", "89"))
    }
    guided = {"model": model, "positive": positive, "negative": negative, "cfg": base.cfg}
    return g.add(
        "9",
        "SamplerCustomAdvanced",
        "SamplerCustomAdvanced",
        4,
        noise=g.add("94", "RandomNoise", "Noise", 3, noise_seed=seed),
        guider=g.add("95", "CFGGuider", "Guider", 3, **guided),
        sampler=g.add("96", "KSamplerSelect", "Sampler", 3, sampler_name="euler"),
        sigmas=g.add("97", "Flux2Scheduler", "Schedule", 3, steps=base.steps, **size),
        latent_image=g.add("8", "EmptyFlux2LatentImage", "Picture size", 3, **size, batch_size=batch),
    )
