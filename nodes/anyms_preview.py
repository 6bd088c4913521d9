"""AnyMS Layout Preview: boxes over the picture."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui

from .host.anyms.place import layouts_of
from .host.anyms.sheet import layout_sheets


class AnymsLayoutPreview(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AnymsLayoutPreview",
            display_name="MUSAR AnyMS Layout Preview",
            category="MUSAR",
            description="Draws the boxes of MUSAR AnyMS Layout over the picture: what each subject was "
            "asked to fill, and which lies on top where they overlap.",
            search_aliases=["layout map", "draw boxes", "anyms"],
            inputs=[
                io.Model.Input("model", tooltip="The model behind MUSAR AnyMS Layout."),
                io.Image.Input("image", tooltip="The decoded picture, or any of its size."),
            ],
            outputs=[io.Image.Output(display_name="layout", tooltip="The picture with the layout on it.")],
        )

    @classmethod
    def execute(cls, model: io.Model.Type, image: torch.Tensor) -> io.NodeOutput:
        layouts = layouts_of(model)
        if not layouts:
            raise ValueError(
                "model has no layout: it did not go through MUSAR AnyMS Layout, or that has a weight of 0. "
                "Connect the model that the sampler uses."
            )
        sheets = layout_sheets(layouts, image)
        return io.NodeOutput(sheets, ui=ui.PreviewImage(sheets, cls=cls))
