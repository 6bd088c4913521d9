"""Train Sprites' text encoder for FLUX.2: a reader of captions that has to tell what it has read so far.

After each token: how many subjects there are, of which kind the last one is, how many of that kind came
before it, and which place was named. Real encoders know such things of their context; a random one hardly.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sprites.chat_text import TAKEN, WIDTH, ChatText
from sprites.world.captions import PAIRS, WHOLES, a, caption, names
from sprites.world.kinds import KINDS
from sprites.world.places import PLACES, PLAIN
from sprites.world.scene import pick_scene
from training.data.diptych import TWO_COLUMNS
from training.encoders.klein import TEMPLATE
from training.encoders.sprites_flux2 import SpritesFlux2Encoder

from .loop import Losses, Run

WHERE = (*PLACES, PLAIN)
TOLD = {"subjects": 9, "kind": len(KINDS) + 1, "before": 3, "place": len(WHERE) + 1}  # answers of each head
BESIDES = ("a photo of", "A picture of", "the same", "The", "A", "An", "Another", "it", "one", "two")


def sayings() -> Iterable[str]:
    """Every word that the world says, and a few that people say beside them."""
    yield from (*(a(k) for k in KINDS), *(f"another {k}" for k in KINDS), *KINDS, *WHERE, *BESIDES)
    yield from (pair.format("", "") for pair in (*PAIRS, TWO_COLUMNS))
    yield from (whole.format(who="", where="") for whole in WHOLES)
    yield from ("a, a", "a. A", "")


def new_text(settings: dict, encoder_folder: Path) -> SpritesFlux2Encoder:
    """An encoder whose network has learned nothing."""
    torch.manual_seed(settings["seed"])
    reader = SpritesFlux2Encoder(encoder_folder, settings["length"], ChatText([0]))
    known = {i for words in sayings() for text in (words, f" {words}") for i in reader._ids(text)}
    reader.text = ChatText(sorted(known))
    for name, weight in reader.text.qwen.named_parameters():
        if "embed" in name:
            nn.init.normal_(weight)
            weight.data[0] = 0
        elif weight.ndim > 1:
            scale = 0.3 if "o_proj" in name or "down_proj" in name else 1.0
            nn.init.normal_(weight, std=scale * weight.shape[1] ** -0.5)
    return reader


def read_so_far(kinds: list[str], words: str, place: str, ends: list[int]) -> np.ndarray:
    """tokens × heads: the answers after each, whose text ends there in `words`."""
    told, start, at = np.zeros((len(ends), len(TOLD)), np.int64), 0, np.array(ends)
    for k, name in enumerate(names(kinds)):
        start = words.index(name, start)
        article = start + len(name.split()[0])
        told[at >= article, 0] = k + 1
        start += len(name)
        told[at >= start, 1:3] = 1 + KINDS.index(kinds[k]), min(2, kinds[:k].count(kinds[k]))
    told[at >= words.index(place) + len(place), 3] = 1 + WHERE.index(place)
    return told


def lesson(
    rng: np.random.Generator, encoder: SpritesFlux2Encoder, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """ids and what is real of them, B m, and what they tell, B m heads."""
    texts, answers = [], []
    for _ in range(size):
        count = int(rng.integers(1, 6))
        scene = pick_scene(rng, count, max(2, count), same=0.4)
        words, kinds = caption(rng, scene), [s.kind for s in scene.subjects]
        offsets = encoder._tokenizer(TEMPLATE.format(words), return_offsets_mapping=True).offset_mapping
        first = TEMPLATE.index("{}")
        told = read_so_far(kinds, words, scene.place, [end - first for _, end in offsets])
        texts.append(words)
        answers.append(np.pad(told, ((0, encoder.length - len(told)), (0, 0))))
    ids, real = encoder.padded(texts, encoder.length)
    return ids, real, torch.from_numpy(np.stack(answers))


def train_chat(settings: dict, encoder: SpritesFlux2Encoder, checkpoint: Path) -> Run:
    encoder.text.train()
    heads = nn.ModuleDict({name: nn.Linear(len(TAKEN) * WIDTH, n) for name, n in TOLD.items()})

    def losses(step: int) -> Losses:
        rng = np.random.default_rng((settings["seed"], step))
        ids, real, answers = lesson(rng, encoder, settings["batch"])
        features = encoder.text(ids, real)[real]
        of = {
            name: F.cross_entropy(head(features).float(), answers[real][:, k])
            for k, (name, head) in enumerate(heads.items())
        }
        return {"loss": sum(of.values()), **of}

    run = Run({"text": encoder.text, "heads": heads}, settings)
    run.go("text", losses, checkpoint)
    encoder.text.load_state_dict(run.average)
    encoder.text.eval().requires_grad_(False)
    return run
