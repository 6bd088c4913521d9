"""FLUX.1's text encoders made small: the same random weights for the host and in diffusers' format."""

import shutil

import torch

T5 = {"d_model": 64, "d_ff": 128, "d_kv": 16, "num_heads": 4, "num_layers": 2, "vocab_size": 32128}
T5_MORE = {"feed_forward_proj": "gated-gelu", "dropout_rate": 0.0, "pad_token_id": 0, "eos_token_id": 1}
CLIP = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "eos_token_id": 49407,
}


def write_diffusers(folder, comfy):
    """The two text encoders and their tokenizers, as a folder of FLUX.1 has them. `comfy` is the host's."""
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        t5 = T5EncoderModel(T5Config(**T5, **T5_MORE))
        clip = CLIPTextModel(CLIPTextConfig(**CLIP))
        for model in (t5, clip):  # so that words attend: weights of their usual spread leave nothing to see
            for name, value in model.named_parameters():
                if value.ndim > 1 and "embed" not in name and "shared" not in name:
                    value.data.normal_(std=1.5 * value.shape[-1] ** -0.5)
    t5.save_pretrained(folder / "text_encoder_2")
    clip.save_pretrained(folder / "text_encoder")
    shutil.copytree(comfy / "comfy" / "text_encoders" / "t5_tokenizer", folder / "tokenizer_2")
    shutil.copytree(comfy / "comfy" / "sd1_tokenizer", folder / "tokenizer")
    (folder / "vae").mkdir()  # which no test of words opens


def load_hosts(folder):
    """The host's own CLIP object, as DualCLIPLoader makes it, on the files of `write_diffusers`."""
    import comfy.sd
    from comfy.text_encoders.flux import FluxTokenizer, flux_clip
    from safetensors.torch import load_file

    target = type("Target", (), {"params": {}, "clip": flux_clip(), "tokenizer": FluxTokenizer})
    options = {"t5xxl_model_config": T5, "clip_l_model_config": CLIP, "dtype": torch.float32}
    states = [load_file(folder / name / "model.safetensors") for name in ("text_encoder", "text_encoder_2")]
    states[0] = {n if n.startswith("text_model.") else f"text_model.{n}": t for n, t in states[0].items()}
    return comfy.sd.CLIP(target, state_dict=states, model_options=options)
