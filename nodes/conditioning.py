"""MUSAR Conditioning: the prompt and its subjects, as one conditioning."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..musar_attention import POSITIONS
from .host import notice, sockets
from .host.boxes import place_boxes
from .host.encode import encode_prompt, plan_subjects
from .host.families import PRESETS
from .host.notice import BY_HAND
from .host.plan import Placement, Subject
from .subject import SubjectType

NEGATIVE = 1  # the output


class MusarConditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MusarConditioning",
            display_name="MUSAR Conditioning",
            category="MUSAR",
            description="Encodes the prompt together with its subjects. Wire it to the sampler as "
            "positive, and the model through MUSAR Routing.",
            search_aliases=["multi subject prompt", "reference latent", "subject prompt", "boxes"],
            inputs=[
                io.Clip.Input(
                    "clip",
                    tooltip="The model's text encoder. FLUX.1: CLIP-L and T5-XXL (DualCLIPLoader, type "
                    "flux). FLUX.2: Qwen3 for klein, Mistral 3 for dev (CLIPLoader, type flux2).",
                ),
                io.Vae.Input("vae", tooltip="FLUX.1's VAE or FLUX.2's; it encodes the references."),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="The whole picture in words. It must name every subject by its phrase.",
                ),
                io.Autogrow.Input(
                    "subjects",
                    template=io.Autogrow.TemplateNames(
                        SubjectType.Input("subject", tooltip="From MUSAR Subject; up to 16."),
                        names=sockets.NAMES,
                        min=0,
                    ),
                    tooltip="The subjects. Several with the same phrase take its occurrences in order.",
                ),
                io.Int.Input(
                    "reference_size",
                    default=512,
                    min=64,
                    max=2048,
                    step=16,
                    tooltip="Long side of each reference in pixels. Smaller is faster and takes "
                    "less memory; UNO was trained with 512 for one reference and 320 for several.",
                ),
                io.Combo.Input(
                    "positions",
                    options=list(POSITIONS),
                    default="diagonal",
                    tooltip="Where references lie for the model: on FLUX.1 diagonal for MUSAR and UNO "
                    "weights, index with places 1 for Kontext, column for OminiControl-style weights; offset "
                    "= as ComfyUI itself places several; on FLUX.2 index. A preset decides instead.",
                ),
                io.Float.Input(
                    "guidance",
                    default=3.5,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="Guidance of FLUX.1-dev and FLUX.2-dev, as in FluxGuidance. Schnell and klein "
                    "ignore it.",
                ),
                io.BoundingBox.Input(
                    "boxes",
                    optional=True,
                    force_input=True,
                    tooltip="Where subjects may be: box k is subject_k's, in pixels of the canvas. "
                    "Subjects without a box may be anywhere. Needs dynamic routing. With layout_until boxes "
                    "place their subjects, too.",
                ),
                io.Int.Input(
                    "canvas_width",
                    default=0,
                    min=0,
                    max=16384,
                    tooltip="Width of the canvas that boxes were drawn on. 0 = the picture's; set "
                    "it where a second pass has another size.",
                ),
                io.Int.Input(
                    "canvas_height",
                    default=0,
                    min=0,
                    max=16384,
                    tooltip="Height of the canvas that boxes were drawn on. 0 = the picture's.",
                ),
                io.Int.Input(
                    "places",
                    default=0,
                    min=0,
                    max=sockets.LIMIT,
                    optional=True,
                    advanced=True,
                    tooltip="How many places there are for references, which take them in turn; 0 = one "
                    "for each. On Sprites 1 raised MUSAR's LoRA with five subjects from 0.94 to 0.97, and "
                    "lowered a UNO that leaks.",
                ),
                io.Combo.Input(
                    "preset",
                    options=[BY_HAND, *PRESETS],
                    default=BY_HAND,  # what saved graphs without this widget get
                    optional=True,
                    tooltip="Whose weights these are: sets positions here, and static, evidence, owners_by, "
                    "remember and smooth in MUSAR Routing where its settings follow the conditioning. by "
                    "hand = as the widgets say. UNO, four or more = UNO's file in MUSAR Dual LoRA as both "
                    "branches: on Sprites 0.95 instead of 0.74 with four subjects for a UNO trained on wide "
                    "pictures, little for others, and worse than UNO with one. Kontext, one place = every "
                    "reference where its one picture lay in training: on Sprites 0.77 instead of 0.72 with "
                    "four. MUSAR, four or more = likewise: 0.97 instead of 0.94 with five. FLUX.2, four or "
                    "more = owners by attention: on Sprites of FLUX.2 0.64 "
                    "instead of 0.53 with four subjects in four steps.",
                ),
                io.String.Input(
                    "negative_prompt",
                    default="",
                    multiline=True,
                    optional=True,
                    advanced=True,
                    tooltip="What the picture should not be, for the output negative. It names no subject.",
                ),
                io.Float.Input(
                    "layout_until",
                    default=0.0,  # what saved graphs without this widget get
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="Up to this share of the sampling, boxes and regions also place their subjects: "
                    "of the picture, a subject's own part alone sees its phrase, so that it is drawn there "
                    "more often. 0 = they only bound who sees which reference, and a subject drawn elsewhere "
                    "loses its looks. On Sprites 0.3 raised identity in boxes with four subjects from 0.57 "
                    "to 0.72 for a UNO, and did nothing on FLUX.2.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(tooltip="The positive conditioning for the sampler."),
                io.Conditioning.Output(
                    display_name="negative",
                    tooltip="The negative prompt with the same references, for CFG above 1 with models that "
                    "were trained so (FLUX.2's base models). With dynamic routing its parts of the picture "
                    "see none of them.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def fingerprint_inputs(cls, **kwargs: Any) -> str:
        said = notice.said_in_queue(kwargs.get("positions", "diagonal"), kwargs.get("preset", BY_HAND))
        return f"{said} {notice.is_wired(NEGATIVE)}"

    @classmethod
    def execute(
        cls,
        clip: io.Clip.Type,
        vae: io.Vae.Type,
        prompt: str,
        subjects: dict[str, Subject] | None = None,
        reference_size: int = 512,
        positions: str = "diagonal",
        guidance: float = 3.5,
        boxes: Any = None,
        canvas_width: int = 0,
        canvas_height: int = 0,
        places: int = 0,
        preset: str = BY_HAND,
        negative_prompt: str = "",
        layout_until: float = 0.0,
        **surplus: Any,
    ) -> io.NodeOutput:
        wired = sockets.wired(subjects, surplus)
        placed = place_boxes(boxes, list(wired), (canvas_width, canvas_height))
        conditioning, family, stream = encode_prompt(clip, prompt, guidance)
        negative = encode_prompt(clip, negative_prompt, guidance)[0] if notice.is_wired(NEGATIVE) else None
        if not wired:
            return io.NodeOutput(conditioning, negative)
        chosen = None if preset == BY_HAND else family.preset(preset)
        placement = Placement(positions, places, layout_until=layout_until)
        if chosen:
            placement = Placement(chosen.positions, chosen.places or places, chosen, layout_until)
        planned = plan_subjects(
            conditioning, clip, vae, prompt, family, stream, wired, placed, reference_size, placement
        )
        seen = sum(subject.strength > 0 for subject in wired.values())
        told = None
        if seen:
            told = notice.show_status(
                cls.hidden, seen, placement.positions, chosen, family, planned.bound, layout_until
            )
        if negative is not None:
            negative = planned.on(negative, negative=True)
        return io.NodeOutput(planned.on(conditioning), negative, ui=told)
