"""ComfyUI's own encoders of FLUX.2's prompts, Qwen3 and Mistral 3, as small as the file is.

The stock loader knows the published sizes alone. The network, the tokenizer and the chat template are
ComfyUI's.
"""

from __future__ import annotations

from types import SimpleNamespace

import comfy.sd
import folder_paths
from comfy.text_encoders import flux
from torch import Tensor

from .chat_file import whole

HEAD = 128  # numbers of a head of attention


def is_chat(state: dict[str, Tensor]) -> bool:
    return "model.embed_tokens.weight" in state


def load_chat(state: dict[str, Tensor]) -> comfy.sd.CLIP:
    state = whole(state)
    words, width = state["model.embed_tokens.weight"].shape
    layer = "model.layers.0"
    sizes = {
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": len(state[f"{layer}.mlp.gate_proj.weight"]),
        "num_hidden_layers": sum(name.endswith(".mlp.gate_proj.weight") for name in state),
        "num_attention_heads": len(state[f"{layer}.self_attn.q_proj.weight"]) // HEAD,
        "num_key_value_heads": len(state[f"{layer}.self_attn.k_proj.weight"]) // HEAD,
    }
    if "tekken_model" in state:
        name, clip, tokenizer = "mistral3_24b", flux.flux2_te(), flux.Flux2Tokenizer
    else:
        name, clip, tokenizer = "qwen3_4b", flux.klein_te(model_type="qwen3_4b"), flux.KleinTokenizer
    return comfy.sd.CLIP(
        SimpleNamespace(params={}, clip=clip, tokenizer=tokenizer),
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
        tokenizer_data={"tekken_model": state.get("tekken_model")},
        parameters=sum(t.numel() for t in state.values()),
        state_dict=[state],
        model_options={f"{name}_model_config": sizes},
    )
