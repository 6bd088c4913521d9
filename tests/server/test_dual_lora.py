"""MUSAR Dual LoRA over the API: it changes the picture, and bad files leave the server serving."""

import pytest
import torch
from safetensors.torch import save

from tools.comfy_server import Refused

KEY = "transformer.transformer_blocks.0.attn.to_k"


def pair(key=KEY, inputs=128, outputs=128, fill=0.3, rank=4, a="lora_A", b="lora_B"):
    return {
        f"{key}.{a}.weight": torch.full((rank, inputs), fill),
        f"{key}.{b}.weight": torch.full((outputs, rank), fill),
    }


BAD = {
    "truncated": (save(pair())[:-50], "not a whole safetensors file"),
    "empty": (b"", "not a whole safetensors file"),
    "words": (b"this is no weight file", "not a whole safetensors file"),
    "pickle": (b"\x80\x04K\x01.", "is a pickle"),
    "sdxl": (
        save(pair("lora_unet_input_blocks_4_1_proj_in", a="lora_down", b="lora_up")),
        "Stable Diffusion",
    ),
    "shapes": (save(pair(inputs=3072, outputs=3072)), "does not fit the model"),
    "rankless": (save(pair(rank=0)), "rank 0"),
    "nan": (save(pair(fill=float("nan"))), "not numbers"),
    "dreamo": (save(pair("double_blocks_0.processor.qkv_lora1", a="down", b="up")), "DreamO"),
}


@pytest.fixture
def with_lora(server, edited):
    """with_lora(content, **inputs): the two-subject prompt with a MUSAR Dual LoRA of this file."""

    def build(name, content, **inputs):
        folder = server.base / "models" / "loras"
        (folder / f"{name}.safetensors").write_bytes(content)
        node = {"model": ["1", 0], "subject_lora": f"{name}.safetensors", "noise_lora": "none"}
        node |= {"subject_strength": 1.0, "noise_strength": 1.0, **inputs}
        dual = {"91": {"class_type": "MusarDualLora", "inputs": node}}
        return edited(("MusarRouting.model", ["91", 0]), ("KSampler.steps", 1), add=dual)

    return build


def test_it_changes_the_picture_and_strength_zero_does_not(server, with_lora):
    both = {f"subject.{k}": v for k, v in pair().items()} | {f"noise.{k}": v for k, v in pair().items()}

    def drawn(**inputs):
        ((image,),) = server.run(with_lora("dual", save(both), **inputs)).images.values()
        return image

    def pixels(image):
        return image[image.index(b"IDAT") :]  # the text before it holds the prompt

    off = pixels(drawn(subject_strength=0.0, noise_strength=0.0))
    on = pixels(drawn())
    assert on != off
    assert pixels(drawn(subject_strength=1.0, noise_strength=0.0)) not in (on, off)
    assert pixels(drawn(subject_strength=0.0, noise_strength=0.0)) == off


@pytest.mark.parametrize("name", BAD)
def test_bad_file(server, with_lora, name):
    content, says = BAD[name]
    with pytest.raises(Refused, match=f"{name}.safetensors .*{says}"):
        server.run(with_lora(name, content))
    assert server.run(with_lora("good", save(pair()))).images
