"""Graphs of AnyMS: subjects in boxes by an image adapter, on FLUX.1 and SDXL, and together with MUSAR."""

from __future__ import annotations

from dataclasses import dataclass

from .bases import MUSAR
from .graph import Graph, draw

CELL = 64  # pixels; a picture is 16 cells high where two subjects stand in it
SUBJECT = 6  # cells, both ways


@dataclass(frozen=True)
class Adapted:
    """A base with an image adapter made for it."""

    name: str
    adapter: str
    siglip: str
    vision: str
    weight: float
    steps: int
    cfg: float
    sampler: str
    note: str


FLUX = Adapted(
    "flux",
    "instantx_flux_ip_adapter.safetensors",
    "sigclip_vision_patch14_384.safetensors",
    "sigclip_vision_patch14_384.safetensors",
    1.0,
    25,
    1.0,
    "euler",
    "InstantX's adapter for FLUX.1-dev is published as a pickle, `ip-adapter.bin` of "
    "InstantX/FLUX.1-dev-IP-Adapter. Put it into `models/ipadapter`, choose it in MUSAR AnyMS Adapter Loader "
    "and run: the error holds the command that converts it. Name the result "
    "`instantx_flux_ip_adapter.safetensors`. Load CLIP Vision and the loader's `siglip` both read "
    "SigLIP, the file that Redux and USO have, too.",
)
SDXL = Adapted(
    "sdxl",
    "ip-adapter-plus_sdxl_vit-h.safetensors",
    "none",
    "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors",
    0.8,
    25,
    6.0,
    "dpmpp_2m",
    "IP-Adapter plus for SDXL, with CLIP ViT-H in Load CLIP Vision. Nobody has judged its pictures here.",
)
DRAWN = (
    "Box k is subject k's. Draw boxes anew in Create Bounding Boxes, which asks for *Nodes 2.0* in ComfyUI's "
    "settings; its width and height are the picture's, so change them with it. ComfyUI 0.24.1 and older lack "
    "that node."
)
PLACED = (
    f"{DRAWN} The prompt names all subjects, from left to right as the boxes lie; the adapter shows each box "
    "its own reference and no other."
)
TOGETHER = (
    "Both at once: MUSAR's dual LoRA with routing, which the boxes bound, and an image adapter in the same "
    "boxes. docs/anyms.md says what each is worth alone and together, on Sprites."
)


def anyms_graphs(pair: list[tuple[str, str]], six: list[tuple[str, str]], two: str, many: str) -> list[Graph]:
    graphs = []
    for base in (FLUX, SDXL):
        graphs.append(_placed(f"anyms_two_subjects_{base.name}", base, pair, two))
        graphs.append(_placed(f"anyms_six_subjects_{base.name}", base, six, many))
    return [*graphs, _with_musar(pair, two)]


def slots(subjects: list[tuple[str, str]], cell: int) -> list[dict]:
    """A box for each, side by side, the first up and the second down."""
    return [
        {
            "x": cell * (2 + SUBJECT * k),
            "y": cell * (2 + SUBJECT * (1 - k % 2)),
            "width": cell * SUBJECT,
            "height": cell * SUBJECT,
            "metadata": {"type": "obj", "text": "", "desc": kind, "palette": []},
        }
        for k, (kind, _) in enumerate(subjects)
    ]


def _canvas(g: Graph, width: int, height: int, boxes: list[dict]) -> list:
    g.add(
        "100",
        "CreateBoundingBoxes",
        "Where each subject is to be",
        1,
        width=width,
        height=height,
        editor_state={"__value__": boxes},
        last_incoming={"__value__": []},
    )
    return ["100", 1]


def _laid_out(g: Graph, base: Adapted, model: list, subjects: dict, boxes: list) -> list:
    """The model with its subjects in boxes."""
    adapter = g.add(
        "103",
        "AnymsAdapterLoader",
        "MUSAR AnyMS Adapter Loader",
        0,
        adapter=base.adapter,
        siglip=base.siglip,
    )
    vision = g.add("104", "CLIPVisionLoader", "Load CLIP Vision", 0, clip_name=base.vision)
    return g.add(
        "101",
        "AnymsLayout",
        "MUSAR AnyMS Layout",
        2,
        model=model,
        adapter=adapter,
        clip_vision=vision,
        **subjects,
        boxes=boxes,
        priorities="",
        weight=base.weight,
        start_percent=0.0,
        end_percent=1.0,
        canvas_width=0,
        canvas_height=0,
        merge="crop",
        background="zero",
    )


def _shown(g: Graph, model: list) -> None:
    sheet = g.add("105", "AnymsLayoutPreview", "MUSAR AnyMS Layout Preview", 5, model=model, image=["80", 0])
    g.add("106", "SaveImage", "Save layout", 6, images=sheet, filename_prefix=f"musar/{g.name}_layout")


def _placed(name: str, base: Adapted, subjects: list[tuple[str, str]], words: str) -> Graph:
    """Subjects by an adapter alone, as wide a picture as they need."""
    g, many = Graph(name), len(subjects) > 2
    cell = 40 if many else CELL
    width, height = cell * (SUBJECT * len(subjects) + 4), cell * 16
    if base is SDXL:
        model = g.add(
            "1",
            "CheckpointLoaderSimple",
            "Load Checkpoint",
            0,
            ckpt_name="sd_xl_base_1.0.safetensors",
        )
        clip, vae, empty = ["1", 1], ["1", 2], "EmptyLatentImage"
    else:
        model = g.add(
            "1",
            "UNETLoader",
            "Load Diffusion Model",
            0,
            unet_name=MUSAR.model,
            weight_dtype="default",
        )
        encoder = {"clip_name1": "clip_l.safetensors", "clip_name2": "t5xxl_fp16.safetensors"}
        encoder |= {"type": "flux", "device": "default"}
        clip = g.add("4", "DualCLIPLoader", "DualCLIPLoader", 0, **encoder)
        vae = g.add("5", "VAELoader", "Load VAE", 0, vae_name=MUSAR.vae)
        empty = "EmptySD3LatentImage"
    wired = {}
    for k, (kind, file) in enumerate(subjects, 1):
        image = g.add(f"{k}0", "LoadImage", f"Reference: {kind}", 0, image=file)
        about = {"prompt": "", "phrase": kind, "strength": 1.0}
        wired[f"subjects.subject_{k}"] = g.add(
            f"{k}1", "MusarSubject", f"Subject: {kind}", 1, image=image, **about
        )
    boxes = _canvas(g, width, height, slots(subjects, cell))
    placed = _laid_out(g, base, model, wired, boxes)
    positive = g.add("6", "CLIPTextEncode", "Prompt", 2, clip=clip, text=words)
    if base is SDXL:
        negative = g.add("7", "CLIPTextEncode", "Negative", 2, clip=clip, text="blurry, low quality")
    else:
        positive = g.add("102", "FluxGuidance", "FluxGuidance", 3, conditioning=positive, guidance=3.5)
        negative = g.add("7", "ConditioningZeroOut", "Negative (unused at CFG 1)", 3, conditioning=positive)
    samples = g.add(
        "9",
        "KSampler",
        "KSampler",
        4,
        model=placed,
        positive=positive,
        negative=negative,
        latent_image=g.add("8", empty, "Picture size", 3, width=width, height=height, batch_size=1),
        seed=1,
        steps=base.steps,
        cfg=base.cfg,
        sampler_name=base.sampler,
        scheduler="simple" if base is FLUX else "karras",
        denoise=1.0,
    )
    picture = g.add("80", "VAEDecode", "VAE Decode", 4, samples=samples, vae=vae)
    g.add("81", "SaveImage", "Save Image", 5, images=picture, filename_prefix=f"musar/{name}")
    _shown(g, placed)
    g.notes = [base.note, PLACED]
    return g


def _with_musar(subjects: list[tuple[str, str]], words: str) -> Graph:
    g = draw("anyms_with_musar", MUSAR, subjects, words)
    boxes = _canvas(g, MUSAR.side, MUSAR.side, slots(subjects, MUSAR.side // 16))
    g.prompt["6"]["inputs"]["boxes"] = boxes
    wired = {f"subjects.subject_{k}": [f"{k}1", 0] for k in range(1, len(subjects) + 1)}
    placed = _laid_out(g, FLUX, ["3", 0], wired, boxes)
    g.prompt["9"]["inputs"]["model"] = placed
    _shown(g, placed)
    g.notes += [FLUX.note, DRAWN, TOGETHER]
    return g
