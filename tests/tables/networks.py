"""Tiny random networks of the true classes, saved as their folders are."""

import json

import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTokenizer,
    Dinov2Config,
    Dinov2Model,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write_dino(folder, second=False):
    torch.manual_seed(5)
    size = SIZE | {"image_size": 32, "patch_size": 8}
    if second:
        Dinov2Model(Dinov2Config(**size)).save_pretrained(folder)
    else:
        ViTModel(ViTConfig(**size, intermediate_size=64), add_pooling_layer=False).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def write_clip(folder):
    torch.manual_seed(6)
    folder.mkdir(parents=True, exist_ok=True)
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    text = SIZE | {"vocab_size": len(words), "max_position_embeddings": 24, "intermediate_size": 64}
    text |= {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1}
    vision = SIZE | {"image_size": 32, "patch_size": 8, "intermediate_size": 64}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder)
    return folder
