"""Attention routing for several reference subjects in one picture, in pure torch.

The sequence is `[T | CT1 … CTc | X | CI1 … CIc | extra]`: prompt, condition prompts, target
picture, condition images, references that belong to no subject. Nothing here knows a host.
"""

from .affinity import LATTICE, OWNERS_BY, affinity, phrase_weights
from .boxes import Box, box_from_pixels, inside_boxes, inside_masks
from .evidence import RULES, evidence, smoothed
from .layout import SubjectTokens, TokenLayout
from .leak import Leak, reference_marks
from .lora import LowRank, add_dual_lora, branch_rows
from .mask import routing_mask
from .owners import assign, settled
from .phrases import find_phrase, find_phrases
from .positions import POSITIONS, reference_ids
from .record import StepRecord, Tally, owner_of
from .routed import routed_attention

__all__ = [
    "LATTICE",
    "OWNERS_BY",
    "POSITIONS",
    "RULES",
    "Box",
    "Leak",
    "LowRank",
    "StepRecord",
    "SubjectTokens",
    "Tally",
    "TokenLayout",
    "add_dual_lora",
    "affinity",
    "assign",
    "box_from_pixels",
    "branch_rows",
    "evidence",
    "find_phrase",
    "find_phrases",
    "inside_boxes",
    "inside_masks",
    "owner_of",
    "phrase_weights",
    "reference_ids",
    "reference_marks",
    "routed_attention",
    "routing_mask",
    "settled",
    "smoothed",
]
