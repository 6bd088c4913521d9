"""From words and images to conditioning: the host's encoders do the work."""

from __future__ import annotations

from collections.abc import Sequence

import comfy.utils
import node_helpers
import torch
from comfy.sd1_clip import escape_important, token_weights, unescape_important
from torch import Tensor

from ...musar_attention import find_phrases
from ...musar_attention.phrases import PhraseNotFound
from .images import fit_reference
from .keys import PLAN, T5
from .plan import PixelBox, Plan, PlanCond, PlannedSubject, Subject

LATENT_CHANNELS = 16
VECTOR = "<embedding>"  # the piece that stands for a vector of an embedding file


def encode_prompt(clip, prompt: str, guidance: float) -> tuple[list, list]:
    """The stock conditioning of a prompt, and its T5 token stream."""
    if clip is None:
        raise ValueError(
            "clip is empty: the checkpoint brings no text encoder. Use DualCLIPLoader, type flux."
        )
    tokens = clip.tokenize(prompt)
    if T5 not in tokens:
        raise ValueError(
            f"clip has no T5 tokens, only {', '.join(sorted(tokens))}. FLUX.1 needs CLIP-L and "
            "T5-XXL: use DualCLIPLoader, type flux."
        )
    conditioning = clip.encode_from_tokens_scheduled(tokens, add_dict={"guidance": guidance})
    return conditioning, [token for batch in tokens[T5] for token in batch]


def plan_subjects(
    conditioning: list,
    clip,
    vae,
    prompt: str,
    stream: list,
    subjects: dict[str, Subject],
    boxes: Sequence[PixelBox | None],
    reference_size: int,
    positions: str,
) -> list:
    """The conditioning with references as the host's own latents, and the rest as our plan.

    A subject of strength 0 is left out, but its phrase still takes its occurrence in the prompt.
    """
    spans = _find_phrases(clip, prompt, stream, subjects, conditioning[0][0].shape[-1])
    latents, planned = [], []
    progress = comfy.utils.ProgressBar(len(subjects))
    for (name, subject), span, box in zip(subjects.items(), spans, boxes):
        if subject.strength > 0:
            latents.append(_encode_reference(vae, fit_reference(subject.image, reference_size), name))
            text = _encode_condition_prompt(clip, subject.prompt) if subject.prompt else None
            planned.append(PlannedSubject(span, text, subject.strength, box))
        progress.update(1)
    if not planned:
        return conditioning
    plan = PlanCond(Plan(tuple(planned), positions))
    return node_helpers.conditioning_set_values(
        conditioning, {"reference_latents": latents, "model_conds": {PLAN: plan}}
    )


def _find_phrases(clip, prompt: str, stream: list, subjects: dict[str, Subject], width: int) -> tuple:
    if not prompt.strip():
        raise ValueError(
            f"prompt is empty, so it cannot name {', '.join(subjects)}. Describe the picture and "
            "name every subject by its phrase."
        )
    vocabulary = getattr(clip.tokenizer, T5).inv_vocab
    pieces = [VECTOR if _is_vector(t[0]) else vocabulary[t[0]] for t in _encoded(stream, width)]
    phrases = [_without_weights(subject.phrase) for subject in subjects.values()]
    try:
        return find_phrases(pieces, phrases)
    except PhraseNotFound as error:
        name = list(subjects)[error.index]
        raise ValueError(
            f"{name}: {error} Change the phrase of that MUSAR Subject or the prompt, so that the "
            f"prompt has these words once for each subject named so. The whole prompt: {prompt!r}."
        ) from None


def _is_vector(token) -> bool:
    return isinstance(token, Tensor)


def _encoded(stream: list, width: int) -> list:
    """The tokens that come out of the encoder: it leaves out vectors of another width."""
    return [t for t in stream if not _is_vector(t[0]) or t[0].shape[-1] == width]


def _without_weights(phrase: str) -> str:
    """'(robot:1.2)' -> 'robot', as the host reads prompts."""
    return "".join(unescape_important(text) for text, _ in token_weights(escape_important(phrase), 1.0))


def _encode_condition_prompt(clip, text: str) -> Tensor:
    """CT: the prompt's own tokens and its end token [1,·,context], without the host's padding."""
    tokens = clip.tokenize(text)
    embeddings = clip.encode_from_tokens_scheduled(tokens, show_pbar=False)[0][0]
    stream = _encoded([t for batch in tokens[T5] for t in batch], embeddings.shape[-1])
    padding = getattr(clip.tokenizer, T5).pad_token
    length = max(i for i, t in enumerate(stream) if _is_vector(t[0]) or t[0] != padding) + 1
    return embeddings[:, :length]


def _encode_reference(vae, image: Tensor, name: str) -> Tensor:
    latent = vae.encode(image)
    if latent.ndim != 4 or latent.shape[1] != LATENT_CHANNELS:
        raise ValueError(
            f"vae gives latents of {latent.shape[1]} channels, and FLUX.1's gives {LATENT_CHANNELS}. "
            "Load FLUX.1's ae.safetensors with Load VAE."
        )
    if not torch.isfinite(latent).all():
        raise ValueError(
            f"vae turned the reference of {name} into values that are not numbers. Start ComfyUI "
            "with --fp32-vae, or load another VAE file."
        )
    return latent
