"""MUSAR Subject: reference images and the words that go with them."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from .host.images import cut_out, region_of
from .host.plan import Subject

SubjectType = io.Custom("MUSAR_SUBJECT")


class MusarSubject(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MusarSubject",
            display_name="MUSAR Subject",
            category="MUSAR",
            description="One subject you want in the picture: its reference image, and the words "
            "by which the prompt names it.",
            search_aliases=["reference subject", "subject reference", "multi subject", "UNO", "ip adapter"],
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The reference: a picture of the subject. A batch is several views of it.",
                ),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="The condition prompt: what the reference shows, such as 'a red toy "
                    "robot'. Leave it empty for weights trained without one (UNO, Kontext, FLUX.2).",
                ),
                io.String.Input(
                    "phrase",
                    default="",
                    tooltip="The words that name this subject in the main prompt, such as 'robot'. "
                    "Several, with a vertical bar between them, all call it where the prompt has them. "
                    "Empty = the condition prompt, word for word.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of its part of the picture follows the reference. 0 leaves "
                    "the subject out. Between 0 and 1 it needs dynamic routing.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White is the subject; the rest of the reference becomes plain white. "
                    "Paint it in the mask editor, or invert the mask of a cut-out PNG.",
                ),
                io.Mask.Input(
                    "region",
                    optional=True,
                    tooltip="Where the subject may be in the picture: white, on a mask laid over all of it. "
                    "Beside a box, it is where both allow. Needs dynamic routing. With layout_until of MUSAR "
                    "Conditioning the subject is more often drawn there, too.",
                ),
            ],
            outputs=[
                SubjectType.Output(
                    display_name="subject", tooltip="Goes into MUSAR Conditioning or MUSAR AnyMS Layout."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        prompt: str = "",
        phrase: str = "",
        strength: float = 1.0,
        mask: Tensor | None = None,
        region: Tensor | None = None,
    ) -> io.NodeOutput:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength is {strength:g}; it goes from 0 (left out) to 1 (full).")
        phrases = tuple(part for part in map(str.strip, phrase.split("|")) if part) or (prompt.strip(),)
        if not phrases[0]:
            raise ValueError(
                "phrase and prompt are both empty. Write into phrase the words that name this "
                "subject in the main prompt, such as 'robot'."
            )
        image = cut_out(image, mask)
        return io.NodeOutput(Subject(image, prompt.strip(), phrases, float(strength), region_of(region)))
