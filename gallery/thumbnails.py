"""A picture for each shipped graph: the graph itself, run on Sprites."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import numpy as np
from PIL import Image

from demo.painter import CFG, FLUX, LORA, STEPS, TEXT, VAE
from demo.references import write_references
from demo.run import link_models
from sprites.world.captions import names
from tools.comfy_server import ComfyServer

SIDE = 384  # pixels of a thumbnail, both ways
PICTURE, MAP = "81", "91"


def with_sprites(base: Path) -> Path:
    """The models and references of Sprites, in a server's folder."""
    link_models(base / "models")
    write_references(base / "input")
    return base


def as_sprites(prompt: dict) -> dict:
    """The same graph with Sprites' files, sizes, and weights that want static routing."""
    prompt = copy.deepcopy(prompt)
    subjects = [n["inputs"] for n in prompt.values() if n["class_type"] == "MusarSubject"]
    for node, words in zip(subjects, names([s["phrase"] for s in subjects])):
        node["prompt"] = words
    for node in prompt.values():
        inputs = node["inputs"]
        match node["class_type"]:
            case "UNETLoader":
                inputs["unet_name"] = FLUX
            case "VAELoader":
                inputs["vae_name"] = VAE
            case "DualCLIPLoader":
                node |= {"class_type": "MusarDemoTextEncoder", "inputs": {"text_encoder": TEXT}}
                node["_meta"] = {"title": "Text encoder of Sprites"}
            case "MusarRouting":
                inputs |= {"static": True, "model": ["2", 0]}
            case "MusarConditioning":
                inputs |= {"positions": "diagonal", "reference_size": 64}
                if "boxes" in inputs:
                    canvas = prompt[inputs["boxes"][0]]["inputs"]
                    inputs |= {"canvas_width": canvas["width"], "canvas_height": canvas["height"]}
            case "EmptySD3LatentImage":
                inputs |= {"width": 128 + 48 * (len(subjects) > 2), "height": 128}
            case "KSampler":
                inputs |= {"steps": STEPS, "cfg": CFG}
    strengths = {"subject_strength": 1.0, "noise_strength": 1.0}
    files = {"model": ["1", 0], "subject_lora": LORA, "noise_lora": "none"}
    prompt["2"] = {"class_type": "MusarDualLora", "inputs": files | strengths}
    prompt["7"] = {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 0], "text": ""}}
    return prompt


def draw_thumbnail(server: ComfyServer, prompt: dict, file: Path) -> None:
    """The picture; the routing map where there is one; all of a batch."""
    images = server.run(as_sprites(prompt)).images
    drawn = [Image.open(io.BytesIO(data)).convert("RGB") for data in images.get(MAP, images[PICTURE])]
    across = round(len(drawn) ** 0.5)
    rows = [
        np.concatenate([np.asarray(i) for i in drawn[k : k + across]], 1)
        for k in range(0, len(drawn), across)
    ]
    sheet = Image.fromarray(np.concatenate(rows))
    scale = SIDE / max(sheet.size)
    size = (round(sheet.width * scale), round(sheet.height * scale))
    sheet = sheet.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS)
    square = Image.new("RGB", (SIDE, SIDE), (24, 24, 24))
    square.paste(sheet, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    square.save(file, quality=90)
