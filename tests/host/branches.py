"""Branches for the dual LoRA on the tiny FLUX of these tests, and their merged weights by hand."""

import torch

PROMPT = "a dog, a robot, a house and a star on the beach"
PHRASES = ("dog", "robot", "house", "star")
HIDDEN = 256


def layers(depth=2, singles=3, hidden=HIDDEN):
    """Every linear layer that a branch can sit on: name -> (inputs, outputs)."""
    found = {}
    for i in range(depth):
        for stream in ("img", "txt"):
            block = f"double_blocks.{i}.{stream}"
            found[f"{block}_attn.qkv"] = (hidden, 3 * hidden)
            found[f"{block}_attn.proj"] = (hidden, hidden)
            found[f"{block}_mlp.0"] = (hidden, 4 * hidden)
            found[f"{block}_mlp.2"] = (4 * hidden, hidden)
    for i in range(singles):
        found[f"single_blocks.{i}.linear1"] = (hidden, 7 * hidden)
        found[f"single_blocks.{i}.linear2"] = (5 * hidden, hidden)
    return found | {"img_in": (64, hidden), "txt_in": (64, hidden), "final_layer.linear": (hidden, 64)}


def stream(name):
    return "joint" if "single" in name else "text" if "txt" in name else "image"


def weights(seed, rank=4, names=None, alpha=None, dtype=torch.float32, scale=0.3):
    """A LoRA in the host's own naming, on all layers or on some; rank may be a function of the name."""
    g = torch.Generator().manual_seed(seed)
    state = {}
    for name, (inputs, outputs) in layers().items():
        if names is not None and name not in names:
            continue
        r = rank(name) if callable(rank) else rank
        key = f"diffusion_model.{name}"
        state[f"{key}.lora_A.weight"] = (torch.randn(r, inputs, generator=g) * inputs**-0.5).to(dtype)
        state[f"{key}.lora_B.weight"] = (torch.randn(outputs, r, generator=g) * scale * r**-0.5).to(dtype)
        if alpha is not None:
            state[f"{key}.alpha"] = torch.tensor(float(alpha))
    return state


def merged(state, name, alpha=None):
    """The dense change of one layer's weight, by hand."""
    a, b = (state.get(f"diffusion_model.{name}.lora_{x}.weight") for x in "AB")
    return None if a is None else b.float() @ a.float() * (1 if alpha is None else alpha / a.shape[0])
