"""One call of the diffusion model with subjects: positions, owners, attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...musar_attention import (
    Leak,
    SubjectTokens,
    Tally,
    TokenLayout,
    affinity,
    assign,
    evidence,
    inside_boxes,
    inside_masks,
    phrase_weights,
    reference_ids,
    reference_marks,
    routed_attention,
    settled,
    smoothed,
)
from .boxes import OFF_CANVAS
from .masks import additive
from .plan import Plan
from .replaced import sentence
from .settings import Settings

OVERRIDE = "optimized_attention_override"
WRITES = "sage"  # SageAttention 1 and 3 take their keys' mean off in place; a node's override may call them


def lay_out(
    plan: Plan, x: Tensor, context: Tensor, references: list[Tensor], placing: bool = False
) -> TokenLayout:
    """The layout of this call; references beyond the plan's are `extra`. `placing`: who is bound to a part of
    the picture is drawn there."""
    lead = plan.family.text.lead(context)
    subjects = tuple(
        SubjectTokens(
            s.views[0],
            tuple(lead + i for i in s.phrase),
            0 if s.text is None else s.text.shape[1],
            s.views[1:],
            placing and s.bound,
        )
        for s in plan.subjects
    )
    native = (plan.family.tokens_of(*latent.shape[-2:]) for latent in references[len(plan.views) :])
    target = plan.family.tokens_of(*x.shape[-2:])
    return TokenLayout(context.shape[1], target, subjects, sum(h * w for h, w in native))


def inside(plan: Plan, x: Tensor, target: tuple[int, int]) -> Tensor:
    """bool [1,n,c]: where boxes and regions let each subject be."""
    cell, subjects = plan.family.cell, plan.subjects
    picture = (x.shape[-1] * cell, x.shape[-2] * cell)
    try:
        boxes = [s.box.on(picture) if s.box else None for s in subjects]
    except ValueError as error:
        raise ValueError(f"boxes: {error}. {OFF_CANVAS}") from None
    allowed = inside_boxes(boxes, target) & inside_masks([s.region for s in subjects], target)
    for k in (~allowed.any(1)[0]).nonzero().flatten().tolist():
        raise ValueError(
            f"The box and the region of the subject {subjects[k].name!r} have nothing in common, so it may "
            "be nowhere. Move the box, paint over it, or take one of them away."
        )
    return allowed.to(x.device)


def is_nobodys(plan: Plan, context: Tensor) -> bool:
    """The negative's, or a zeroed one's: no subject owns anything there. The host gives such a conditioning
    the area of whatever it stands against."""
    return plan.negative or not bool(context.any())


class RoutedCall:
    """What the hooks of one model call share."""

    def __init__(
        self,
        plan: Plan,
        layout: TokenLayout,
        settings: Settings,
        x: Tensor,
        context: Tensor,
        options: dict,
        model: torch.nn.Module,
    ) -> None:
        self.plan, self.layout, self.settings = plan, layout, settings
        self.chained: Callable | None = options.get(OVERRIDE)
        self.first, self.blocks = plan.family.first_blocks(model)
        start, end = settings.sigmas
        sigma = options.get("sigmas")
        self.in_window = sigma is None or end <= float(sigma[0]) <= start
        self.phrases = phrase_weights(layout, x.device)
        self.silent = (context == 0).flatten(1).all(1)  # ConditioningZeroOut leaves the plan with no words
        self.wordless = self.silent.tolist() if layout.unseen(-1) else []  # where words are held
        self.allowed = self._allowed(x, context)
        # Whose all tokens are in every layer, if that is known: nobody waits for the device to say it.
        alone = 0 if settled(layout) and self.allowed is None else None
        self.known = -1 if plan.negative else alone
        self.found: Tensor | None = None  # evidence of the layers so far, and of the steps before
        self.ran = self.placed = False
        self.tally = Tally()
        self.attended: set[tuple] = set()  # blocks whose attention came by here

    def _allowed(self, x: Tensor, context: Tensor) -> Tensor | None:
        """bool [B|1,n,c], None = every subject may own every token."""
        allowed = None
        if any(s.bound for s in self.plan.subjects) and not is_nobodys(self.plan, context):
            allowed = inside(self.plan, x, self.layout.target)
        if self.silent.any():
            speaking = ~self.silent[:, None, None].expand(-1, self.layout.target_length, self.layout.count)
            allowed = speaking if allowed is None else allowed & speaking
        return allowed

    @torch.compiler.disable
    def place_references(self, args: dict) -> dict:
        """The `post_input` patch: writes the position ids of our references."""
        layout = self.layout
        text, image, placed = args["txt"].shape[1], args["img"].shape[1], args["img_ids"].shape[1]
        every = layout.length - layout.text_length
        kept = image == layout.target_length and placed == every  # Flux KV Cache has the references' keys
        if text != layout.text_length or not (image == every or kept):
            raise ValueError(
                f"The model works on {text} text and {image} picture tokens where MUSAR laid out "
                f"{layout.text_length} and {every}: another node adds tokens inside the model (USO Style "
                "Reference) or leaves references out. Remove it."
            )
        ids = args["img_ids"].clone()
        begin = layout.X.start  # img_ids has no text in front
        spans = [slice(s.start - begin, s.stop - begin) for s in layout.views()]
        target = ids[:, : layout.target_length]
        lie = self.plan.placement
        references = [ids[:, s] for s in spans]
        placed = reference_ids(target, references, lie.positions, lie.places, self.plan.family.planes)
        for span, new in zip(spans, placed):
            ids[:, span] = new
        self.placed = True
        return {**args, "img_ids": ids}

    @torch.compiler.disable  # its shapes follow the owners: traced, it would be compiled anew in every block
    def attention(
        self,
        func: Callable,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        heads: int,
        mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """The attention override: q, k, v [B,H,L,D] -> [B,L,H·D], along the routes."""
        inner = func if self.chained is None else lambda *a, **kw: self.chained(func, *a, **kw)
        length = self.layout.length
        if q.ndim != 4 or (q.shape[2] != length and k.shape[2] != length):
            return inner(q, k, v, heads, mask=mask, **kwargs)  # not the joint sequence
        if k.shape[2] != length or q.shape[2] not in (length, self.layout.X.stop):
            raise ValueError(
                f"Attention has {q.shape[2]} queries and {k.shape[2]} keys where MUSAR laid out "
                f"{length} of both: another node adds keys inside the model. Remove it."
            )
        options = kwargs.get("transformer_options", {})
        self.attended.add((options.get("block_type"), options.get("block_index")))
        static, dynamic, leak = self._switches(options)
        batch, _, _, depth = q.shape

        writes = self.chained is not None or WRITES in getattr(func, "__name__", "")

        def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
            k = k.clone() if writes else k  # of the same keys more than one call is made
            out = inner(q, k, v, heads, mask=mask, **kwargs)
            return out.view(len(q), -1, heads, depth).transpose(1, 2)  # B L (H D) -> B H L D

        leak = leak and not self.plan.negative
        owner = self._owner(q, k, leak) if (dynamic or leak) and not self.plan.negative else None
        routes = (owner if self.known is None else self.known) if dynamic else None

        def along(v: Tensor) -> Tensor:
            bias = None if mask is None else additive(mask, q.dtype)
            strength = [s.strength for s in self.plan.subjects]
            return routed_attention(
                q, k, v, self.layout, routes, static, attend, bias, strength, self.wordless
            )

        if leak:
            self.tally.leak = (
                Leak.of(along(reference_marks(v, self.layout)), owner, self.layout) + self.tally.leak
            )
        out = along(v)
        return out.transpose(1, 2).reshape(batch, q.shape[2], heads * depth)  # B H L D -> B L (H D)

    def _owner(self, q: Tensor, k: Tensor, watched: bool) -> Tensor:
        """int64 [B,n]: of this layer."""
        here = self._affinity(q, k, watched)
        self.tally.name(here)
        before = self.found if self.settings.accumulate else None
        self.found = evidence(here, before, self.settings.rule)
        found = smoothed(self.found, self.layout.target) if self.settings.smooth else self.found
        owner = assign(found, self.allowed)
        self.tally.own(owner)
        return owner

    def _affinity(self, q: Tensor, k: Tensor, watched: bool) -> Tensor:
        """[B,n,c]; zeros where nothing is to decide and nobody watches."""
        if settled(self.layout) and not watched:
            return q.new_zeros(len(q), self.layout.target_length, 1, dtype=torch.float32)
        return affinity(q, k, self.layout, self.phrases, self.settings.owners_by)

    def _switches(self, options: dict) -> tuple[bool, bool, bool]:
        """Static, dynamic and leak, all off outside the windows of steps and blocks."""
        block = options.get("block_index", 0) + self.first.get(options.get("block_type"), 0)
        first, last = self.settings.blocks
        if not (self.in_window and first <= block <= last):
            return False, False, False
        return self.settings.static, self.settings.dynamic, self.settings.leak

    def require_routed(self, who: str | None) -> None:
        """A picture that was not routed must not pass for one that was. `who` put in a forward of its own."""
        if not self.ran:  # a cache answered instead of the model
            return
        if not self.placed:
            cause = "another node leaves the post_input patches of MUSAR Routing out. Remove that node."
            if who:
                cause = sentence(who, "the model's forward")
            raise RuntimeError(f"MUSAR Routing could not place the references: {cause}")
        if not self.attended:
            raise RuntimeError(
                "MUSAR Routing was not asked for a single layer: another node took the attention "
                "override for itself, or skips the model's blocks. Put that node before MUSAR "
                "Routing, or remove it."
            )

    @property
    def left_out(self) -> str:
        """Blocks that did not come by here, in a sentence; "" = none."""
        if not self.ran or len(self.attended) >= self.blocks:
            return ""
        return (
            f"MUSAR Routing reached {len(self.attended)} of {self.blocks} blocks in this step: another node "
            "runs or skips the others."
        )
