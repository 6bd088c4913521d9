"""MUSAR Routing Preview: see which part of the picture belongs to which subject."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui

from .host.leak_sheet import leak_sheet
from .host.lettering import shown
from .host.maps import affinity_sheet, owner_map, owner_masks, stacked
from .host.record import records_of
from .host.shares import shares_of


class MusarRoutingPreview(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MusarRoutingPreview",
            display_name="MUSAR Routing Preview",
            category="MUSAR",
            description="Draws what MUSAR Routing decided in the run that made these samples: which "
            "subject owned each part of the picture, how strongly each subject called, and what leaked.",
            search_aliases=["routing map", "attention map", "owner map", "affinity"],
            inputs=[
                io.Model.Input("model", tooltip="The model that the sampler used."),
                io.Latent.Input("samples", tooltip="What that sampler made."),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The decoded picture, to lie under the map. Without it the map lies on white.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="map", tooltip="Who owned each part over the whole run, one map a picture."
                ),
                io.Image.Output(
                    display_name="affinity",
                    tooltip="How strongly each subject's phrase, or reference (owners_by), called each "
                    "part: a row for each subject, a column for each of up to eight steps.",
                ),
                io.Image.Output(
                    display_name="leak",
                    tooltip="How much of each subject's part attended to which reference, where leak is on "
                    "in MUSAR Routing.",
                ),
                io.Mask.Output(
                    display_name="masks",
                    tooltip="What each subject owned over the whole run: a mask a subject, in their order, "
                    "for inpainting, detailers and compositing. Of a batch, all masks of the first picture, "
                    "then those of the next.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, model: io.Model.Type, samples: io.Latent.Type, image: torch.Tensor | None = None
    ) -> io.NodeOutput:
        records = records_of(model)
        if records is None:
            raise ValueError(
                "model did not go through MUSAR Routing, so nothing was routed. Connect the model "
                "that the sampler uses, with MUSAR Routing before it."
            )
        record = records.of_this_item()
        if record is None:
            raise ValueError(
                "No sampler has drawn with this model since its MUSAR Routing was made. Connect the model "
                "and the samples of a sampler that routed; where they are, and the samples come from "
                "ComfyUI's cache, change the seed to draw anew."
            )
        if not record.shown:
            raise ValueError(
                "The latest run of model routed nothing: its conditioning has no subjects, dynamic "
                "is off in MUSAR Routing, or the window left every step out. Connect the model and "
                "the samples of a sampler that routed."
            )
        parts = [part for part in record.shown if not part.plan.cropped]
        if not parts:
            raise ValueError(
                "The conditioning is set to an area of the picture (Conditioning Set Area, or Set Mask with "
                "mask bounds), so what was decided covers that area alone, and cannot be laid over the "
                "picture. Leave the preview out, or the area: boxes on MUSAR Conditioning say where a "
                "subject may be."
            )
        count, family = len(samples["samples"]), parts[0].plan.family
        target = family.tokens_of(*samples["samples"].shape[-2:])
        for part in parts:
            made, found = len(next(iter(part.steps.values())).owned), part.layout.target
            if target != found or count != made:
                raise ValueError(
                    f"samples are {count} of {target[0]} × {target[1]} tokens and the latest run of model "
                    f"made {made} of {found[0]} × {found[1]}: another sampler used the same model since. "
                    "Give it a MUSAR Routing of its own."
                )
        pictures = [None] * count if image is None else [image[min(i, len(image) - 1)] for i in range(count)]
        each = [(part, shown(part.names), i) for i in range(count) for part in parts]
        maps = stacked([owner_map(part, names, i, pictures[i]) for part, names, i in each])
        sheets, leaks = (stacked([draw(*one) for one in each]) for draw in (affinity_sheet, leak_sheet))
        size = tuple(side * family.cell for side in samples["samples"].shape[-2:])
        masks = torch.cat([owner_masks(part, i, size) for part, _, i in each])
        shares = [one for of_picture in zip(*(shares_of(p, count) for p in parts)) for one in of_picture]
        seen = ui.PreviewImage(maps, cls=cls).as_dict() | {"musar": shares}
        return io.NodeOutput(maps, sheets, leaks, masks, ui=seen)
