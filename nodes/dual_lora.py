"""MUSAR Dual LoRA: a branch for references, another for the picture, none for the prompt."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from .host.families import family_of
from .host.lora import add_branches
from .host.lora_files import read_branches
from .host.notice import NONE


class MusarDualLora(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        files = folder_paths.get_filename_list("loras")
        strength = {"default": 1.0, "min": -20.0, "max": 20.0, "step": 0.01}
        return io.Schema(
            node_id="MusarDualLora",
            display_name="MUSAR Dual LoRA",
            category="MUSAR",
            description="Puts MUSAR's two branches on a FLUX model: references and condition "
            "prompts see the subject branch, the picture sees the noise branch, the prompt none.",
            search_aliases=["lora", "subject lora", "noise lora", "token lora", "omini"],
            inputs=[
                io.Model.Input(
                    "model", tooltip="A FLUX model: FLUX.1 dev, schnell or Kontext, FLUX.2 dev or klein."
                ),
                io.Combo.Input(
                    "subject_lora",
                    options=files,
                    tooltip="The subject branch: a LoRA for references and condition prompts, or a "
                    "MUSAR file that holds both branches. LoRAs made for all tokens (UNO) belong "
                    "in Load LoRA; with four or more subjects, here as both branches.",
                ),
                io.Combo.Input(
                    "noise_lora",
                    options=[NONE, *files],
                    default=NONE,
                    tooltip="The noise branch, for the picture's tokens. none = the one in "
                    "subject_lora's file, if it holds both. It acts only where the conditioning "
                    "has subjects: it was trained with references.",
                ),
                io.Float.Input(
                    "subject_strength", **strength, tooltip="Strength of the subject branch; 0 = without it."
                ),
                io.Float.Input(
                    "noise_strength", **strength, tooltip="Strength of the noise branch; 0 = without it."
                ),
            ],
            outputs=[io.Model.Output(tooltip="The model with both branches.")],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        subject_lora: str,
        noise_lora: str = NONE,
        subject_strength: float = 1.0,
        noise_strength: float = 1.0,
    ) -> io.NodeOutput:
        family = family_of(model)
        strengths = {"subject": subject_strength, "noise": noise_strength}
        if not any(strengths.values()):
            return io.NodeOutput(model)
        files = [
            None if name == NONE else Path(folder_paths.get_full_path_or_raise("loras", name))
            for name in (subject_lora, noise_lora)
        ]
        branches = read_branches(*files, strengths, model.model, family)
        return io.NodeOutput(add_branches(model, branches, family))
