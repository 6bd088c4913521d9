"""Pictures while training goes on: the same prompts and noise at every look, on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml

from tools.sheet import Cell, contact_sheet

from ..data.example import Example, Reference
from ..data.pair import BadRow
from ..data.pixels import decode
from ..data.preview import REFERENCE, TARGET, fit
from ..data.sizes import TOKEN, Sizes, check
from ..encoders import Encoder
from ..network.batch import collate, encode_example, to_device, unpack
from .draw import draw, nothing_said
from .trainer import Trainer

FOLDER = "validation"


class Validation:
    """Draws `prompts`, a YAML file, every so many steps. Call it after each step."""

    def __init__(self, settings: dict, encoder: Encoder, condition_prompts: bool, sizes: Sizes) -> None:
        self.settings, self.encoder = settings, encoder
        self.examples = read_prompts(Path(settings["prompts"]), sizes)
        self.batches = [collate([encode_example(e, encoder, condition_prompts)]) for e in self.examples]
        self.nothing = encoder.prompt("") if settings["cfg"] != 1 else None  # no text encoder runs later

    def __call__(self, trainer: Trainer, loss: float) -> None:
        if trainer.step % self.settings["every"] and trainer.step != trainer.total:
            return
        rows = self.rows(trainer)
        if trainer.accelerator.is_main_process:
            sheet = contact_sheet(rows)
            file = trainer.folder / FOLDER / f"step_{trainer.step:06}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            sheet.save(file)
            trainer.log.picture("validation", np.asarray(sheet), trainer.step)
        if trainer.config["encoder"].get("ahead"):
            self.encoder.free()

    def rows(self, trainer: Trainer) -> list[list[Cell]]:
        """Every process takes part: a sharded network needs them all."""
        with trainer.averaged(), torch.compiler.set_stance("force_eager"), trainer.accelerator.autocast():
            pictures = [self._picture(trainer, i) for i in range(len(self.batches))]
        return [
            [(r.words, fit(r.image, REFERENCE)) for r in example.references]
            + [(example.prompt, fit(picture, TARGET))]
            for example, picture in zip(self.examples, pictures)
        ]

    def _picture(self, trainer: Trainer, i: int) -> np.ndarray:
        batch = to_device(self.batches[i], trainer.accelerator.device)
        noise = torch.randn(batch.latent.shape, generator=torch.Generator().manual_seed(i)).to(batch.latent)
        cfg = self.settings["cfg"]
        silent = nothing_said(batch, self.nothing) if self.nothing else None
        latent = draw(
            trainer.model, batch, noise, self.settings["steps"], silent, cfg, self.settings["guidance"]
        )
        return self.encoder.picture(unpack(latent, batch.size[0])[0].cpu())


def read_prompts(file: Path, sizes: Sizes) -> list[Example]:
    """Pictures' paths are relative to the file. ValueError says what is missing."""
    if not file.is_file():
        raise ValueError(f"validation.prompts is {file}, and there is no such file.")
    found = yaml.safe_load(file.read_text())
    if not isinstance(found, list) or not found:
        raise ValueError(f"{file} is a list of prompts with their references; found {found!r}.")
    return [_example(entry, file, i, sizes) for i, entry in enumerate(found, 1)]


def _example(entry: dict, file: Path, number: int, sizes: Sizes) -> Example:
    where = f"{file}, prompt {number}"
    try:
        prompt, (height, width), references = entry["prompt"], entry["size"], entry["references"]
        shown = tuple(_reference(r, references[:k], file.parent, sizes) for k, r in enumerate(references))
        if height % TOKEN or width % TOKEN:
            raise BadRow(f"its size is {width} × {height}. Write multiples of {TOKEN}.", "size")
        canvas = np.zeros((height, width, 3), np.uint8)  # whose size counts
    except (BadRow, OSError) as error:
        raise ValueError(f"{where}: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: write prompt, size (height, width) and references, each with image, words and "
            f"phrase. ({type(error).__name__}: {error})"
        ) from None
    return Example(prompt, shown, canvas)


def _reference(entry: dict, before: Sequence[dict], folder: Path, sizes: Sizes) -> Reference:
    image, phrase = folder / entry["image"], entry["phrase"]
    earlier = sum(r["phrase"] == phrase for r in before)
    picture = sizes.of_reference(decode(image.read_bytes(), str(image)))
    check(picture, f"reference {image.name}")
    return Reference(picture, entry["words"], phrase, earlier)
