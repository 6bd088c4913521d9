"""From words and images to conditioning: the host's encoders do the work."""

from __future__ import annotations

import comfy.utils
import torch
from comfy.sd import CLIP, VAE
from torch import Tensor

from ...musar_attention import find_phrases
from ...musar_attention.phrases import PhraseNotFound, piece_text
from .images import fit_reference
from .keys import LATENT_CHANNELS, PLAN, T5, tokens_of
from .plan import PixelBox, Plan, PlanCond, PlannedSubject, Subject

VECTOR = "<embedding>"  # the piece that stands for a vector of an embedding file


def encode_prompt(clip: CLIP, prompt: str, guidance: float) -> tuple[list, list]:
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
    clip: CLIP,
    vae: VAE,
    prompt: str,
    stream: list,
    subjects: dict[str, Subject],
    boxes: dict[str, PixelBox],
    reference_size: int,
    positions: str,
) -> list:
    """The conditioning with references as the host's own latents, and the rest as our plan.

    A subject of strength 0 is left out, but its phrase still takes its occurrence in the prompt.
    """
    spans = _find_phrases(clip, prompt, stream, subjects, conditioning[0][0].shape[-1])
    latents, planned = [], []  # planned: for each subject, one plan an entry of the conditioning
    progress = comfy.utils.ProgressBar(len(subjects))
    for (name, subject), span in zip(subjects.items(), spans):
        if subject.strength > 0:
            latent = _encode_reference(vae, fit_reference(subject.image, reference_size), name)
            texts = _encode_condition_prompt(clip, subject.prompt) if subject.prompt else []
            texts = texts or [None] * len(conditioning)
            size = tokens_of(*latent.shape[-2:])
            planned.append(
                [
                    PlannedSubject(subject.phrase, size, span, text, subject.strength, boxes.get(name))
                    for text in texts
                ]
            )
            latents.append(latent)
        progress.update(1)
    if not planned:
        return conditioning
    return [
        [
            context,
            {
                **values,
                "reference_latents": latents,
                "model_conds": {PLAN: PlanCond(Plan(of_entry, positions))},
            },
        ]
        for (context, values), of_entry in zip(conditioning, zip(*planned))
    ]


def _find_phrases(clip: CLIP, prompt: str, stream: list, subjects: dict[str, Subject], width: int) -> tuple:
    if not prompt.strip():
        raise ValueError(
            f"prompt is empty, so it cannot name {', '.join(subjects)}. Describe the picture and "
            "name every subject by its phrase."
        )
    pieces = _pieces(clip, _encoded(stream, width))
    phrases = [_as_read(clip, subject.phrase) for subject in subjects.values()]
    try:
        return find_phrases(pieces, phrases)
    except PhraseNotFound as error:
        name = list(subjects)[error.index]
        unknown = " Some characters of the prompt are unknown to T5, which reads Latin script."
        raise ValueError(
            f"{name}: {error} Change the phrase of that MUSAR Subject or the prompt, so that the "
            f"prompt has these words once for each subject named so.{unknown * ('<unk>' in pieces)}"
        ) from None


def _is_vector(token: int | Tensor) -> bool:
    return isinstance(token, Tensor)


def _encoded(stream: list, width: int) -> list:
    """The tokens that come out of the encoder: it leaves out vectors of another width."""
    return [t for t in stream if not _is_vector(t[0]) or t[0].shape[-1] == width]


def _pieces(clip: CLIP, stream: list) -> list[str]:
    vocabulary = getattr(clip.tokenizer, T5).inv_vocab
    return [VECTOR if _is_vector(t[0]) else vocabulary[t[0]] for t in stream]


def _as_read(clip: CLIP, phrase: str) -> str:
    """The phrase as the tokenizer reads it: '(robot:1.2)' -> 'robot', unknown letters marked."""
    stream = [t for batch in clip.tokenize(phrase)[T5] for t in batch]
    return "".join(map(piece_text, _pieces(clip, stream))).strip()


def _encode_condition_prompt(clip: CLIP, text: str) -> list[Tensor]:
    """CT: the prompt's own tokens and its end token [1,·,context], without the host's padding.

    As many as the prompt's conditioning has entries: hooks on clip may schedule several.
    """
    tokens = clip.tokenize(text)
    entries = clip.encode_from_tokens_scheduled(tokens, show_pbar=False)
    stream = _encoded([t for batch in tokens[T5] for t in batch], entries[0][0].shape[-1])
    padding = getattr(clip.tokenizer, T5).pad_token
    length = max(i for i, t in enumerate(stream) if _is_vector(t[0]) or t[0] != padding) + 1
    return [embeddings[:, :length] for embeddings, _ in entries]


def _encode_reference(vae: VAE, image: Tensor, name: str) -> Tensor:
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
