"""`python -m tools.tiny_training FOLDER`: a FLUX.1 and a FLUX.2 klein in diffusers' format, so small that
every command of docs/training.md runs in seconds, and a few pairs of pictures. The weights are random."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from torch import nn

WIDTH, POOLED = 64, 32  # of the text embeddings and the pooled one
WORDS = (
    "a an the another cat dog on of in sofa lawn two images concatenated side by left right part is".split()
)
SHIPPED = Path(__file__).resolve().parents[1] / "training" / "configs"
CONFIGS = {"flux": SHIPPED / "flux_dev.yaml", "klein": SHIPPED / "flux2_klein_4b.yaml"}
SCORES = ("compositeStructure", "objectConsistency", "imageQuality")
COLOURS = {"cat": (200, 80, 40), "dog": (60, 90, 200)}
PLACES = {"sofa": (230, 220, 190), "lawn": (150, 210, 140)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    write_pairs(folder / "pairs")
    for name, write in WRITERS.items():
        write(folder / name)
        config = tiny_config(folder, name)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    print(f"{folder}: pairs, and {', '.join(WRITERS)}, each with a config to train on them.")


def tiny_config(folder: Path, name: str = "flux") -> dict:
    """The shipped one, made small: the CPU, few steps, small pictures, low ranks."""
    config, models = yaml.safe_load(CONFIGS[name].read_text()), str(folder / name)
    cache = str(folder / f"{name}_cache")
    config["encoder"] |= {"models": models, "device": "cpu", "cache": cache, "ahead": 4}
    config["variant"]["ranks"] = {"subject": 8, "noise": 2}
    config["stages"] = [stage | {"steps": 4} for stage in config["stages"]]
    return config | {
        "base": models,
        "data": {"kind": "folder", "folder": str(folder / "pairs")},
        "pixels": {"target": 64, "reference": 64},
        "warmup": 2,
        "precision": "no",
        "cpu": True,
        "save_every": 5,
    }


def write_flux(folder: Path) -> None:
    """Own tokenizers, T5, CLIP, VAE and FLUX."""
    from diffusers import AutoencoderKL, FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    pieces = write_t5_tokenizer(folder / "tokenizer_2")
    letters = write_clip_tokenizer(folder / "tokenizer")
    t5 = T5Config(
        vocab_size=pieces,
        d_model=WIDTH,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    clip = CLIPTextConfig(
        vocab_size=letters,
        hidden_size=POOLED,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        eos_token_id=letters - 1,
        bos_token_id=letters - 2,
    )
    blocks = {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "latent_channels": 16}
    parts: dict[str, Callable[[], nn.Module]] = {
        "text_encoder_2": lambda: T5EncoderModel(t5),
        "text_encoder": lambda: CLIPTextModel(clip),
        "vae": lambda: AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            scaling_factor=0.3611,
            shift_factor=0.1159,
            use_quant_conv=False,
            use_post_quant_conv=False,
            **blocks,
        ),
        "transformer": lambda: FluxTransformer2DModel(
            num_layers=1,
            num_single_layers=2,
            num_attention_heads=1,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=POOLED,
            guidance_embeds=True,
        ),
    }
    for seed, (name, make) in enumerate(parts.items()):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            make().save_pretrained(folder / name)


def write_klein(folder: Path) -> None:
    """Own tokenizer, Qwen3, VAE and FLUX.2."""
    from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel
    from transformers import Qwen3Config, Qwen3ForCausalLM

    qwen = Qwen3Config(
        vocab_size=write_qwen_tokenizer(folder / "tokenizer"),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=28,  # it is read at the 27th
        num_attention_heads=1,
        num_key_value_heads=1,
        tie_word_embeddings=True,
    )
    parts: dict[str, Callable[[], nn.Module]] = {
        "text_encoder": lambda: Qwen3ForCausalLM(qwen),
        "vae": lambda: AutoencoderKLFlux2(
            block_out_channels=(8, 8, 8, 8), norm_num_groups=4, layers_per_block=1
        ),
        "transformer": lambda: Flux2Transformer2DModel(
            num_layers=1,
            num_single_layers=2,
            num_attention_heads=1,
            joint_attention_dim=96,
            guidance_embeds=False,
        ),
    }
    for seed, (name, make) in enumerate(parts.items()):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            make().save_pretrained(folder / name)


WRITERS = {"flux": write_flux, "klein": write_klein}


def write_qwen_tokenizer(folder: Path) -> int:
    """Qwen's kind, of bytes alone, with the marks of its chats. How many pieces it has."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
    tokenizer.add_special_tokens(marks)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=marks[0]).save_pretrained(folder)
    return len(letters) + len(marks)


def write_t5_tokenizer(folder: Path) -> int:
    """SentencePiece's kind: whole words that the pairs say, and letters. How many pieces it has."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = [*map(chr, range(33, 127)), "▁"]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocabulary += [(f"▁{word}", -2.0) for word in WORDS] + [(letter, -10.0) for letter in letters]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    return len(vocabulary)


def write_clip_tokenizer(folder: Path) -> int:
    """CLIP's kind, of letters alone."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(c) for c in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {"model_max_length": 77, "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"tokenizer_class": "CLIPTokenizer"}))
    return len(vocabulary)


def write_subjects200k(folder: Path) -> None:
    """Composites of two pictures of one subject, in a Parquet shard as the data set has them."""
    import io

    import pyarrow
    from PIL import Image
    from pyarrow import parquet

    rows = []
    for number in range(6):
        kind = list(COLOURS)[number % 2]
        composite, file = Image.new("RGB", (160, 80), "white"), io.BytesIO()
        for left, place in zip((8, 88), PLACES.values()):
            composite.paste(place, (left, 8, left + 64, 72))
            composite.paste(COLOURS[kind], (left + 16 + 2 * number, 24, left + 40 + 2 * number, 56))
        composite.save(file, "png")
        rows.append(
            {
                "image": {"bytes": file.getvalue(), "path": None},
                "collection": "collection_2",
                "quality_assessment": dict.fromkeys(SCORES, 5),
                "description": {
                    "item": kind,
                    "description_0": "This item is on a sofa.",
                    "description_1": "This item is on a lawn.",
                    "category": kind,
                    "description_valid": True,
                },
            }
        )
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "train-00000.parquet")


def write_pairs(folder: Path) -> None:
    """A subject is a square of one colour."""
    from PIL import Image

    for number in range(6):
        kind, place = list(COLOURS)[number % 2], list(PLACES)[number // 2 % 2]
        pair = folder / f"{kind}_{number}"
        pair.mkdir(parents=True, exist_ok=True)
        colour = tuple(c + 10 * number for c in COLOURS[kind])
        reference, target = Image.new("RGB", (96, 80), "white"), Image.new("RGB", (100, 90), PLACES[place])
        reference.paste(colour, (24, 16, 72, 64))
        target.paste(colour, (16 + 4 * number, 30, 52 + 4 * number, 66))
        reference.save(pair / "ref.png")
        target.save(pair / "target.png")
        words = {"words": f"a {kind}", "caption": f"a {kind} on a {place}"}
        (pair / "caption.json").write_text(json.dumps(words))


if __name__ == "__main__":
    main()
