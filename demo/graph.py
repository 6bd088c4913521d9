"""The demo's graph, as an API prompt: stock loaders and sampler, our nodes between them."""

from __future__ import annotations

from dataclasses import dataclass

from sprites.world.captions import names
from sprites.world.palette import CELL
from sprites.world.scene import Placed, Scene

from .painter import CFG, FLUX, LORA, STEPS, TEXT, UNO, VAE

REFERENCE = 64  # pixels

PICTURE, MAP = "picture", "map"  # the nodes that save
UNROUTED, _, MUSAR = WAYS = (
    "a leaking LoRA, no routing",
    "the same LoRA, with routing",
    "MUSAR's dual LoRA",
)


@dataclass(frozen=True)
class Wish:
    """One picture to draw: what the words say, and the looks that the references show."""

    name: str
    words: str
    scene: Scene  # its subjects' places in the picture are free
    seed: int

    @property
    def subjects(self) -> tuple[Placed, ...]:
        return self.scene.subjects

    def reference(self, k: int) -> str:
        """The file in ComfyUI's input folder."""
        return f"{self.name}_{k + 1}_{self.subjects[k].kind}.png"


def graph(wish: Wish, way: str) -> dict:
    """The node ids are words, so that errors can be read."""
    if way == MUSAR:
        lora = _node(
            "MusarDualLora",
            model=["flux", 0],
            subject_lora=LORA,
            noise_lora="none",  # the one file holds both branches
            subject_strength=1.0,
            noise_strength=1.0,
        )
    else:
        lora = _node("LoraLoaderModelOnly", model=["flux", 0], lora_name=UNO, strength_model=1.0)
    nodes = {
        "flux": _node("UNETLoader", unet_name=FLUX, weight_dtype="default"),
        "clip": _node("MusarDemoTextEncoder", text_encoder=TEXT),
        "vae": _node("VAELoader", vae_name=VAE),
        "lora": lora,
        "positive": _node(
            "MusarConditioning",
            clip=["clip", 0],
            vae=["vae", 0],
            prompt=wish.words,
            reference_size=REFERENCE,
            positions="diagonal",
            guidance=3.5,
            canvas_width=0,
            canvas_height=0,
        ),
        "negative": _node("CLIPTextEncode", clip=["clip", 0], text=""),
        "latent": _node(
            "EmptySD3LatentImage",
            width=wish.scene.columns * CELL,
            height=wish.scene.rows * CELL,
            batch_size=1,
        ),
        "sampler": _node(
            "KSampler",
            model=["lora" if way == UNROUTED else "routing", 0],
            positive=["positive", 0],
            negative=["negative", 0],
            latent_image=["latent", 0],
            seed=wish.seed,
            steps=STEPS,
            cfg=CFG,
            sampler_name="euler",
            scheduler="simple",
            denoise=1.0,
        ),
        "decode": _node("VAEDecode", samples=["sampler", 0], vae=["vae", 0]),
        PICTURE: _node("SaveImage", images=["decode", 0], filename_prefix=wish.name),
    }
    if way != UNROUTED:
        nodes["routing"] = _node(
            "MusarRouting",
            model=["lora", 0],
            static=way == MUSAR,
            dynamic=True,
            start_percent=0.0,
            end_percent=1.0,
            start_block=0,
            end_block=1000,
        )
        nodes["preview"] = _node(
            "MusarRoutingPreview", model=["routing", 0], samples=["sampler", 0], image=["decode", 0]
        )
        nodes[MAP] = _node("SaveImage", images=["preview", 0], filename_prefix=f"{wish.name}_map")
    words = names([s.kind for s in wish.subjects])
    for k, subject in enumerate(wish.subjects):
        nodes[f"image {k + 1}"] = _node("LoadImage", image=wish.reference(k))
        nodes[f"subject {k + 1}"] = _node(
            "MusarSubject",
            image=[f"image {k + 1}", 0],
            prompt=words[k] if way == MUSAR else "",
            phrase=subject.kind,
            strength=1.0,
        )
        nodes["positive"]["inputs"][f"subjects.subject_{k + 1}"] = [f"subject {k + 1}", 0]
    return nodes


def _node(class_type: str, **inputs: object) -> dict:
    return {"class_type": class_type, "inputs": inputs}
