"""The DIFFUSION_MODEL wrapper: lays the sequence out and routes attention for one model call.

Each call makes a `RoutedCall`, which is gone when the call returns. What it decided stays in the
record of the latest run, until the next run begins.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP
from torch import Tensor, nn

from .families import Family
from .kept_keys import own_keys
from .keys import PLAN, WRAPPER
from .layout_now import laid_out
from .live import LivePreview
from .masks import extend_mask
from .memory import Memory
from .plan import Plan
from .record import Records
from .replaced import replaced, sentence
from .routed_call import OVERRIDE, RoutedCall, is_nobodys, lay_out
from .settings import Settings
from .traced import apart

log = logging.getLogger("musar")


class Routing:
    """The wrapper. Conditioning without a plan goes through untouched."""

    def __init__(self, settings: Settings, family: Family, live: LivePreview | None = None) -> None:
        self.settings, self.family, self.live = settings, family, live
        self.records = Records()
        self.kept: dict[tuple, dict] = {}  # keys and values of references, in this run
        self.memory = Memory()
        self.called = False  # in this call of the model
        self.told = False  # in this run, of blocks left out

    def begin_run(self, executor: WrapperExecutor, *args: Any, **kwargs: Any) -> Any:
        """The OUTER_SAMPLE wrapper."""
        before = self.records.begin()
        self.kept, self.memory, self.told = {}, Memory(), False
        if self.live:
            self.live.begin()
        try:
            return executor(*args, **kwargs)
        except BaseException:  # its picture is not there, and the last one's may be, in the host's cache
            self.records.restore(before)
            raise
        finally:
            self.kept, self.memory = {}, Memory()

    def watch(self, executor: WrapperExecutor, *args: Any, **kwargs: Any) -> Tensor:
        """The APPLY_MODEL wrapper: a network whose forward is another pack's asks none of ours."""
        self.called = False
        out = executor(*args, **kwargs)
        if kwargs.get(PLAN) is not None and not self.called:  # or a cache answered
            if who := replaced(executor.class_obj.diffusion_model, "forward"):
                raise RuntimeError("Nothing was routed: " + sentence(who, "the whole network's forward"))
        return out

    @torch.compiler.disable(recursive=False)  # the model behind it is compiled, where somebody compiles it
    def __call__(
        self,
        executor: WrapperExecutor,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        y: Tensor | None = None,
        guidance: Tensor | None = None,
        ref_latents: list[Tensor] | None = None,
        control: dict | None = None,
        transformer_options: dict | None = None,
        **kwargs: Any,
    ) -> Tensor:
        self.called = True
        plan = kwargs.pop(PLAN, None)
        options = dict(transformer_options or {})
        if plan is None:
            return executor(x, timestep, context, y, guidance, ref_latents, control, options, **kwargs)

        model = executor.class_obj
        method = kwargs.get("ref_latents_method", model.params.default_ref_method)
        self._refuse(plan, x, context, ref_latents or [], method)
        self._refuse_words(context, model.params.context_in_dim)
        call = self._begun(plan, x, context, ref_latents, options, model)
        layout = call.layout
        texts = [s.text.to(context).expand(len(context), -1, -1) for s in plan.subjects if s.text is not None]
        context = torch.cat([context, *texts], 1)
        if kwargs.get("attention_mask") is not None:
            kwargs["attention_mask"] = extend_mask(kwargs["attention_mask"], layout)

        patches = dict(options.get("patches", {}))
        patches["post_input"] = [*patches.get("post_input", []), call.place_references]
        options["patches"] = patches
        options[OVERRIDE] = call.attention

        def run(*args: Any, **kwargs: Any) -> Tensor:
            call.ran = True
            return executor.original(*args, **kwargs)

        rest = WrapperExecutor.new_class_executor(run, model, executor.wrappers, executor.idx + 1)
        with laid_out(layout), own_keys(options, self.kept), apart():
            try:
                out = rest.execute(x, timestep, context, y, guidance, ref_latents, control, options, **kwargs)
            except (TypeError, AttributeError) as error:
                if who := replaced(model, "forward_orig"):
                    told = sentence(who, "the model's forward by one that does not fit this ComfyUI")
                    raise RuntimeError(told) from error
                raise
        self._ended(call, options, model)
        return out

    @torch.compiler.disable
    def _begun(
        self,
        plan: Plan,
        x: Tensor,
        context: Tensor,
        references: list[Tensor],
        options: dict,
        model: nn.Module,
    ) -> RoutedCall:
        settings = self.settings.of(plan.placement.preset)
        placing = settings.before(plan.placement.layout_until, options.get("sigmas"))
        layout = lay_out(plan, x, context, references, placing)
        call = RoutedCall(plan, layout, settings, x, context, options, model)
        if settings.remember:
            call.found = self.memory.recall(options, (len(x), layout.target_length, layout.count))
        return call

    @torch.compiler.disable
    def _ended(self, call: RoutedCall, options: dict, model: nn.Module) -> None:
        call.require_routed(replaced(model, "forward_orig"))
        if call.left_out and not self.told:
            log.warning(call.left_out)
            self.told = True
        if call.settings.remember and call.found is not None:
            self.memory.keep(options, call.found, call.tally.layers)
        part = self.records.now.add(call, options)
        if part and self.live:
            self.live.show(part)

    def _refuse(self, plan: Plan, x: Tensor, context: Tensor, references: list[Tensor], method: str) -> None:
        """What cannot be routed, said before the model trips over it."""
        if plan.family.name != self.family.name:  # a copy, where another node copied the conditioning
            raise ValueError(
                f"The conditioning was encoded for {plan.family.name}, and the model is {self.family.name}. "
                f"Connect MUSAR Conditioning to the text encoder and the VAE of {self.family.name}."
            )
        found = [self.family.tokens_of(*latent.shape[-2:]) for latent in references]
        if found[: len(plan.views)] != plan.views:
            raise ValueError(
                f"The conditioning plans {len(plan.views)} references, and the model gets {len(found)}, or "
                "others. A node after MUSAR Conditioning replaced or cropped them: remove it. A tiled "
                "upscaler (Ultimate SD Upscale) crops them: give it a prompt from CLIP Text Encode, and the "
                "model from before MUSAR Routing."
            )
        if any(len(latent) != len(x) for latent in references):
            raise ValueError(
                f"The model gets {len(x)} pictures at once and references for {len(references[0])}: another "
                "node cuts the picture into tiles (Tiled Diffusion). Leave it out."
            )
        if x.shape[1] != references[0].shape[1]:
            raise ValueError(
                f"The model gets {x.shape[1]} latent channels and the references have "
                f"{references[0].shape[1]}: the picture's latent is another model's, or a control LoRA or "
                f"inpainting conditioning widens it. Encode the picture with {self.family.vae}. MUSAR works "
                "without what widens; for control use a ControlNet."
            )
        if method in self.family.unusable_methods:
            raise ValueError(self.family.unusable_methods[method])
        boxed = any(s.bound for s in plan.subjects)
        if boxed and plan.cropped and not is_nobodys(plan, context):
            raise ValueError(
                "The conditioning has boxes or regions and is set to an area of the picture (Conditioning "
                "Set Area, or Set Mask with mask bounds): they are measured on the whole picture. Use one or "
                "the other."
            )
        if not self.settings.dynamic and (boxed or any(s.strength < 1 for s in plan.subjects)):
            raise ValueError(
                "Boxes, regions and strengths below 1 say which parts of the picture belong to a subject, "
                "and only dynamic routing gives them out. Turn dynamic on in MUSAR Routing (add the "
                "node where there is none), or take boxes, regions and strengths away."
            )

    def _refuse_words(self, context: Tensor, width: int) -> None:
        if context.shape[-1] != width:
            raise ValueError(
                f"The text encoder gives {context.shape[-1]} numbers a word, and this {self.family.name} "
                f"model reads {width}. {self.family.text.wanted}"
            )


def put_on(model: ModelPatcher, routing: Routing) -> None:
    """The last node decides."""
    for place, wrapper in (
        (WrappersMP.DIFFUSION_MODEL, routing),
        (WrappersMP.APPLY_MODEL, routing.watch),
        (WrappersMP.OUTER_SAMPLE, routing.begin_run),
    ):
        model.remove_wrappers_with_key(place, WRAPPER)
        model.add_wrapper_with_key(place, WRAPPER, wrapper)
