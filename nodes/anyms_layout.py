"""AnyMS Layout: each subject in its box, by an image adapter, with nothing trained."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..anyms_attention import BACKGROUNDS, MERGES
from .anyms_adapter import AdapterType
from .host import sockets
from .host.anyms.adapter_files import Adapter
from .host.anyms.layout import lay_out
from .host.anyms.place import place
from .host.plan import Subject
from .subject import SubjectType


class AnymsLayout(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        share = {"min": 0.0, "max": 1.0, "step": 0.001, "advanced": True}
        return io.Schema(
            node_id="AnymsLayout",
            display_name="MUSAR AnyMS Layout",
            category="MUSAR",
            description="Puts each subject into its box with a pretrained image adapter, on SDXL or FLUX.1. "
            "The prompt acts everywhere as ever; inside a box the picture attends to that subject, too.",
            search_aliases=["ip adapter boxes", "layout", "regional ip adapter", "bounding boxes", "anyms"],
            inputs=[
                io.Model.Input("model", tooltip="The model that the adapter was made for: SDXL or FLUX.1."),
                AdapterType.Input("adapter", tooltip="From MUSAR AnyMS Adapter Loader."),
                io.ClipVision.Input(
                    "clip_vision",
                    tooltip="The vision encoder that the adapter was trained with: CLIP ViT-H for SDXL, "
                    "SigLIP for InstantX, CLIP ViT-L for XLabs.",
                ),
                io.Autogrow.Input(
                    "subjects",
                    template=io.Autogrow.TemplateNames(
                        SubjectType.Input("subject", tooltip="From MUSAR Subject; up to 16."),
                        names=sockets.NAMES,
                        min=1,
                    ),
                    tooltip="The subjects. Images, strengths and regions count; the prompt says the rest.",
                ),
                io.BoundingBox.Input(
                    "boxes",
                    optional=True,
                    force_input=True,
                    tooltip="Where subjects are to be: box k is subject_k's, in pixels of the canvas. From "
                    "Create Bounding Boxes. Every subject needs one, but with merge joint.",
                ),
                io.String.Input(
                    "priorities",
                    default="",
                    tooltip="Where boxes overlap: a number for each subject, such as '0, 1, 0'; the higher "
                    "lies on top. Empty = the smaller box lies on top, of equal ones the later.",
                ),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=0.0,
                    max=5.0,
                    step=0.01,
                    tooltip="How strongly subjects are drawn beside the prompt; 0 = the model as it was.",
                ),
                io.Float.Input(
                    "start_percent", default=0.0, **share, tooltip="Acts from this share of the sampling on."
                ),
                io.Float.Input(
                    "end_percent", default=1.0, **share, tooltip="Acts up to this share of the sampling."
                ),
                io.Int.Input(
                    "canvas_width",
                    default=0,
                    min=0,
                    max=16384,
                    tooltip="Width of the canvas that boxes were drawn on. 0 = the picture's; set it where a "
                    "second pass has another size.",
                ),
                io.Int.Input(
                    "canvas_height",
                    default=0,
                    min=0,
                    max=16384,
                    tooltip="Height of the canvas that boxes were drawn on. 0 = the picture's.",
                ),
                io.Combo.Input(
                    "merge",
                    options=list(MERGES),
                    default=MERGES[0],
                    advanced=True,
                    tooltip="crop: where boxes overlap the upper one is seen, as in AnyMS. sum: there all "
                    "are added, as attention masks do. joint: no boxes, all subjects are seen everywhere.",
                ),
                io.Combo.Input(
                    "background",
                    options=list(BACKGROUNDS),
                    default=BACKGROUNDS[0],
                    advanced=True,
                    tooltip="What is added outside all boxes: zero, or the layer's own query.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="The model with its subjects in place.")],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        adapter: Adapter,
        clip_vision: io.ClipVision.Type,
        subjects: dict[str, Subject] | None = None,
        boxes: Any = None,
        priorities: str = "",
        weight: float = 1.0,
        start_percent: float = 0.0,
        end_percent: float = 1.0,
        canvas_width: int = 0,
        canvas_height: int = 0,
        merge: str = MERGES[0],
        background: str = BACKGROUNDS[0],
        **surplus: Any,
    ) -> io.NodeOutput:
        wired = sockets.wired(subjects, surplus)
        if weight == 0 or not wired:
            return io.NodeOutput(model)
        if start_percent > end_percent:
            raise ValueError(
                f"The window is empty: it goes from {start_percent:g} to {end_percent:g} of the steps. "
                "Start must not lie after end."
            )
        layout = lay_out(wired, boxes, (canvas_width, canvas_height), priorities, merge, background)
        images = [subject.image for subject in wired.values() if subject.strength > 0]
        if not images:
            return io.NodeOutput(model)
        window = (start_percent, end_percent)
        return io.NodeOutput(place(model, adapter, clip_vision, images, layout, weight, window))
