"""AnyMS by hand: image tokens by other people's networks, attention cropped and written over on a grid."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def white_square(image):
    height, width = image.shape[1:3]
    side = max(height, width)
    out = torch.ones(len(image), side, side, 3)
    top, left = (side - height) // 2, (side - width) // 2
    out[:, top : top + height, left : left + width] = image
    return out


def heads_of(x, width):
    return x.unflatten(-1, (-1, width)).transpose(1, 2)


def attend(q, k, v):
    weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
    return weights @ v


def crop_and_merge(q, subjects, boxes, order, target, background="zero"):
    """Z_image [B,H,n,D]; subjects are (key, value, strength), boxes fractions (left, top, right, bottom)."""
    grid = q.unflatten(2, target)
    z = grid.clone() if background == "query" else torch.zeros_like(grid)
    for k in order:
        left, top, right, bottom = boxes[k]
        down = [i for i in range(target[0]) if top <= (i + 0.5) / target[0] < bottom]
        across = [i for i in range(target[1]) if left <= (i + 0.5) / target[1] < right]
        down = down or [min(target[0] - 1, int((top + bottom) / 2 * target[0]))]
        across = across or [min(target[1] - 1, int((left + right) / 2 * target[1]))]
        key, value, strength = subjects[k]
        crop = grid[:, :, down[0] : down[-1] + 1, across[0] : across[-1] + 1]
        done = strength * attend(crop.flatten(2, 3), key, value)
        z[:, :, down[0] : down[-1] + 1, across[0] : across[-1] + 1] = done.unflatten(2, crop.shape[2:4])
    return z.flatten(2, 3)


def keys_values(tokens, state, key, value, width, normalised=False):
    """Of image tokens [1,t,w], by the names of their layers in the file."""
    out = []
    for at in (key, value):
        made = heads_of(F.linear(tokens, state[f"{at}.weight"], state.get(f"{at}.bias")), width)
        out.append(made / (made.square().mean(-1, keepdim=True) + 1e-5).sqrt() if normalised else made)
    return out
