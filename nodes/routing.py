"""MUSAR Routing: patch a FLUX model so that each part of the picture sees its own subject."""

from __future__ import annotations

from comfy_api.latest import io

from ..musar_attention import OWNERS_BY, RULES
from .host.families import family_of
from .host.live import LivePreview
from .host.notice import BY_HAND, FOLLOWS, SETTINGS
from .host.settings import Settings, window
from .host.wrapper import Routing, put_on


class MusarRouting(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MusarRouting",
            display_name="MUSAR Routing",
            category="MUSAR",
            description="Routes attention in a FLUX model: every part of the picture sees the "
            "reference of the subject it belongs to, and no other. Takes effect with MUSAR "
            "Conditioning; on any other conditioning it changes nothing.",
            search_aliases=["attention routing", "attention mask", "multi subject", "flux patch"],
            inputs=[
                io.Model.Input(
                    "model", tooltip="A FLUX model: FLUX.1 dev, schnell or Kontext, FLUX.2 dev or klein."
                ),
                io.Boolean.Input(
                    "static",
                    default=True,
                    tooltip="Static routing: prompt and references do not see each other, nor one "
                    "reference another. On for MUSAR weights and the preset UNO, four or more; off for UNO "
                    "in Load LoRA, Kontext and FLUX.2, which were trained seeing everything: on Sprites it "
                    "took up to 0.04 of identity from the first two, 0.09 to 0.46 from FLUX.2.",
                ),
                io.Boolean.Input(
                    "dynamic",
                    default=True,
                    tooltip="Dynamic routing: in every layer each part of the picture is given to the "
                    "subject whose phrase it follows (or reference: owners_by), and sees that reference "
                    "alone. On Sprites, identity with four subjects: 0.53 without, 0.76 with it for a UNO "
                    "that leaks, 0.25 and 0.72 for a Kontext.",
                ),
                io.Float.Input(
                    "start_percent",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.001,
                    advanced=True,
                    tooltip="Routes from this share of the sampling on; outside the window "
                    "everything sees everything. Model Sampling nodes go before this one. On Sprites the "
                    "second half alone gave 0.70 of identity instead of 0.76 for a UNO that leaks.",
                ),
                io.Float.Input(
                    "end_percent",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.001,
                    advanced=True,
                    tooltip="Routes up to this share of the sampling. On Sprites the first half alone gave "
                    "0.72 of identity instead of 0.76 for a UNO that leaks, 0.53 instead of 0.78 for "
                    "another.",
                ),
                io.Int.Input(
                    "start_block",
                    default=0,
                    min=0,
                    max=1000,
                    advanced=True,
                    tooltip="The first block that routes, counted through: FLUX.1 has double "
                    "blocks 0 to 18 and single blocks 19 to 56; FLUX.2 dev 0 to 7 and 8 to 55, klein 4B 0 "
                    "to 4 and 5 to 24, 9B 0 to 7 and 8 to 31. Routing from "
                    "the third block of Sprites' six on was worse than none: 0.20, all blocks 0.76.",
                ),
                io.Int.Input(
                    "end_block",
                    default=1000,
                    min=0,
                    max=1000,
                    advanced=True,
                    tooltip="The last block that routes. What was judged routes to the last one.",
                ),
                io.Boolean.Input(
                    "accumulate",
                    default=True,
                    optional=True,
                    advanced=True,
                    tooltip="Owners follow the affinity of all layers so far in the step, so that layers "
                    "which cannot tell the subjects apart listen to those which can. Off: every layer "
                    "decides alone, which on Sprites was worse than no routing (0.21, on 0.76).",
                ),
                io.Boolean.Input(
                    "leak",
                    default=False,
                    optional=True,
                    advanced=True,
                    tooltip="Measures how much of each subject's part attends to which reference, for MUSAR "
                    "Routing Preview. Costs a second attention call in every routed block; changes no "
                    "picture. With dynamic off it shows what routing would prevent.",
                ),
                io.Combo.Input(
                    "evidence",
                    options=list(RULES),
                    default="raw",  # what saved graphs without this widget get
                    optional=True,
                    advanced=True,
                    tooltip="What each layer adds to what speaks for a subject. raw: its affinity. "
                    "centred: its affinity less the subject's mean over the picture, so that a layer's "
                    "liking for one phrase everywhere decides nothing. Where layers have such likings it "
                    "kept 0.98 on Sprites and raw fell to 0.55; where not, they are equal in six blocks, "
                    "and in 16 centred has 0.82 where raw has 0.78, with four subjects. sharp: each "
                    "subject's share of it, centred, times the layer's mean lead of the first over the "
                    "second; for FLUX.2.",
                ),
                io.Combo.Input(
                    SETTINGS,
                    options=[FOLLOWS, BY_HAND],
                    default=FOLLOWS,
                    optional=True,
                    tooltip="Whether static, evidence, owners_by, remember and smooth follow the preset of "
                    "MUSAR Conditioning, where it has one, or the widgets of this node.",
                ),
                io.Combo.Input(
                    "owners_by",
                    options=list(OWNERS_BY),
                    default="phrase",  # what saved graphs without this widget get
                    optional=True,
                    advanced=True,
                    tooltip="What gives a part of the picture to a subject: how much it attends to the "
                    "subject's phrase, as in the paper, or to its reference. reference is for FLUX.2, whose "
                    "text encoder reads forwards only, so that meaning gathers behind a phrase: on Sprites "
                    "of FLUX.2, identity with three subjects 0.98, by phrase 0.82, unrouted 1.00. attention: "
                    "the same as a share of prompt, references and picture; with evidence sharp, remember "
                    "and smooth it helped most on Sprites of FLUX.2 beyond three subjects. Both take some "
                    "time for every reference.",
                ),
                io.Boolean.Input(
                    "remember",
                    default=False,  # what saved graphs without this widget get
                    optional=True,
                    advanced=True,
                    tooltip="Each step, or call of the model where a sampler asks twice in a step, begins "
                    "with the evidence that the last one ended with, so that the first layers need not "
                    "guess. Without accumulate it does nothing.",
                ),
                io.Boolean.Input(
                    "smooth",
                    default=False,  # likewise
                    optional=True,
                    advanced=True,
                    tooltip="Owners follow the mean evidence of each part and its eight neighbours: fewer "
                    "specks, and a part takes its neighbours' side.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="The model with routing, for the sampler.")],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        static: bool,
        dynamic: bool,
        start_percent: float = 0.0,
        end_percent: float = 1.0,
        start_block: int = 0,
        end_block: int = 1000,
        accumulate: bool = True,
        leak: bool = False,
        evidence: str = "raw",
        settings: str = BY_HAND,
        owners_by: str = "phrase",
        remember: bool = False,
        smooth: bool = False,
    ) -> io.NodeOutput:
        family = family_of(model)
        if start_percent > end_percent or start_block > end_block:
            raise ValueError(
                f"The window is empty: it goes from {start_percent:g} to {end_percent:g} of the "
                f"steps and from block {start_block} to {end_block}. Start must not lie after end."
            )
        sampling = model.get_model_object("model_sampling")
        sigmas = window(sampling, start_percent, end_percent)
        chosen = Settings(
            static,
            dynamic,
            sigmas,
            (start_block, end_block),
            accumulate,
            rule=evidence,
            leak=leak,
            owners_by=owners_by,
            remember=remember,
            smooth=smooth,
            by_hand=settings == BY_HAND,
            sigma_at=sampling.percent_to_sigma,
        )

        patched = model.clone()
        put_on(patched, Routing(chosen, family, LivePreview(cls.hidden)))
        return io.NodeOutput(patched)
