"""Subjects placed in boxes by an image adapter that was trained elsewhere (AnyMS), in pure torch.

The target picture's queries attend to the prompt as ever, and beside it to the subjects' image tokens:
`Z = Z_text + weight · Z_image`. Which subject a token sees is a matter of boxes alone. Nothing here knows
a host.
"""

from .decoupled import BACKGROUNDS, add_image, image_attention
from .projections import linear_tokens, mlp_tokens, pooled_by_probe, resampled_tokens, rms_norm
from .stacking import MERGES, on_top, rows_of, stacked

__all__ = [
    "BACKGROUNDS",
    "MERGES",
    "add_image",
    "image_attention",
    "linear_tokens",
    "mlp_tokens",
    "on_top",
    "pooled_by_probe",
    "resampled_tokens",
    "rms_norm",
    "rows_of",
    "stacked",
]
