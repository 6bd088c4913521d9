"""Sprites' words for FLUX.2: Qwen3's network with six layers that work, which has learned to read captions.

ComfyUI's has 28 layers and takes three of them: the others add nothing, and the file leaves them out. Of
the vocabulary the file has the words that were learned; every other word is a vector of zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from .comfy_pack.chat_file import KNOWN, VOCABULARY, WORKING

VOCABULARY_SIZE = 151936
WIDTH = 64
TAKEN = (2, 4, 6)  # outputs after so many working layers: ComfyUI's 9, 18 and 27
SHAPE = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": len(WORKING)}
HEADS = {"num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 128}
THETA = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}


class ChatText(nn.Module):
    """Ids of Qwen3's tokens -> T: [tokens, 3 · width]."""

    def __init__(self, known: Sequence[int]) -> None:
        from transformers import Qwen3Config, Qwen3Model

        super().__init__()
        self.register_buffer("known", torch.tensor(sorted(known)), persistent=False)
        self.qwen = Qwen3Model(Qwen3Config(**SHAPE, **HEADS, **THETA, vocab_size=len(known) + 1))
        self.qwen.norm = nn.Identity()  # ComfyUI takes what comes before it
        self.qwen.embed_tokens.padding_idx = 0

    def forward(self, ids: Tensor, real: Tensor) -> Tensor:
        """ids, real [B,m]: what is not real is padding, which nobody sees."""
        place = torch.searchsorted(self.known, ids).clamp(max=len(self.known) - 1)
        rows = torch.where(self.known[place] == ids, place + 1, 0)
        seen = self.qwen(rows, attention_mask=real.long(), output_hidden_states=True, use_cache=False)
        return torch.cat([seen.hidden_states[layer] for layer in TAKEN], -1)

    def file(self) -> dict[str, Tensor]:
        """In the names of ComfyUI's text encoders, less what says nothing."""
        state = {f"model.{name}": value for name, value in self.qwen.state_dict().items()}
        for own, whole in reversed(list(enumerate(WORKING))):
            for name in [n for n in state if n.startswith(f"model.layers.{own}.")]:
                state[name.replace(f".{own}.", f".{whole}.", 1)] = state.pop(name)
        state["model.embed_tokens.weight"] = state["model.embed_tokens.weight"][1:]
        state["model.norm.weight"] = torch.ones(WIDTH)
        return state | {KNOWN: self.known, VOCABULARY: torch.tensor(VOCABULARY_SIZE)}


def read_chat_text(file: str) -> ChatText:
    state = load_file(file)
    known = state.pop(KNOWN)
    del state[VOCABULARY], state["model.norm.weight"]
    model = ChatText(known.tolist())
    for own, whole in enumerate(WORKING):
        for name in [n for n in state if n.startswith(f"model.layers.{whole}.")]:
            state[name.replace(f".{whole}.", f".{own}.", 1)] = state.pop(name)
    words = state.pop("model.embed_tokens.weight")
    state["model.embed_tokens.weight"] = torch.cat([torch.zeros_like(words[:1]), words])
    model.qwen.load_state_dict({n.removeprefix("model."): t.float() for n, t in state.items()})
    return model.eval().requires_grad_(False)
