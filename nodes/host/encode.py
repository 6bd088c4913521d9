"""From words and images to conditioning: the host's encoders do the work."""

from __future__ import annotations

from dataclasses import dataclass, replace

import comfy.utils
import torch
from comfy.sd import CLIP, VAE
from torch import Tensor

from ...musar_attention import find_phrases
from ...musar_attention.phrases import PhraseNotFound, text_of
from .families import FAMILIES, Family, family_of_tokens
from .images import fit_reference
from .keys import PLAN
from .plan import PixelBox, Placement, Plan, PlanCond, PlannedSubject, Subject

CLIP_L = 77  # vectors of a prompt, which an encoder of type sd3 has in T


def encode_prompt(clip: CLIP, prompt: str, guidance: float) -> tuple[list, Family, list]:
    """The stock conditioning of a prompt, the family of its text encoder, and its token stream."""
    if clip is None:
        raise ValueError(
            "clip is empty: the checkpoint brings no text encoder. Use "
            f"{' or '.join(family.text.loader for family in FAMILIES)}."
        )
    tokens = clip.tokenize(prompt)
    family = family_of_tokens(tokens)
    conditioning = clip.encode_from_tokens_scheduled(tokens, add_dict={"guidance": guidance})
    return conditioning, family, family.text.stream(tokens)


@dataclass(frozen=True, eq=False)
class Planned:
    """Subjects as a conditioning carries them: references as the host's own latents, the rest as our plan."""

    family: Family
    latents: list[Tensor]
    subjects: list[tuple[PlannedSubject, ...]]  # for each entry of the conditioning
    placement: Placement

    @property
    def bound(self) -> bool:
        """Are there boxes or regions?"""
        return any(subject.bound for subjects in self.subjects for subject in subjects)

    def on(self, conditioning: list, negative: bool = False) -> list:
        """The conditioning with them. A negative names nobody, and has the same references."""
        if not self.latents:
            return conditioning
        planned = []
        for (context, values), subjects in zip(conditioning, self.subjects):
            if negative:
                subjects = tuple(replace(subject, phrase=()) for subject in subjects)
            plan = PlanCond(Plan(self.family, subjects, self.placement, negative))
            more = {"reference_latents": self.latents, "model_conds": {PLAN: plan}}
            planned.append([context, values | more])
        return planned


def plan_subjects(
    conditioning: list,
    clip: CLIP,
    vae: VAE,
    prompt: str,
    family: Family,
    stream: list,
    subjects: dict[str, Subject],
    boxes: dict[str, PixelBox],
    reference_size: int,
    placement: Placement,
) -> Planned:
    """A subject of strength 0 is left out, but its phrase still takes its occurrence in the prompt."""
    spans = _find_phrases(clip, prompt, family, stream, subjects, conditioning[0][0])
    latents, planned = [], []  # planned: for each subject, one plan an entry of the conditioning
    progress = comfy.utils.ProgressBar(len(subjects))
    for (name, subject), span in zip(subjects.items(), spans):
        if subject.strength > 0:
            images = fit_reference(subject.image, reference_size, family.token)
            views = [_encode_reference(vae, image, family, name) for image in images.split(1)]
            texts = _encode_condition_prompt(clip, family, subject.prompt) if subject.prompt else []
            texts = texts or [None] * len(conditioning)
            first = PlannedSubject(
                subject.phrases[0],
                tuple(family.tokens_of(*view.shape[-2:]) for view in views),
                span,
                None,
                subject.strength,
                boxes.get(name),
                subject.region,
            )
            planned.append([replace(first, text=text) for text in texts])
            latents += views
        progress.update(1)
    return Planned(family, latents, list(zip(*planned)), placement)


def _find_phrases(
    clip: CLIP, prompt: str, family: Family, stream: list, subjects: dict[str, Subject], context: Tensor
) -> tuple:
    if not prompt.strip():
        raise ValueError(
            f"prompt is empty, so it cannot name {', '.join(subjects)}. Describe the picture and "
            "name every subject by its phrase."
        )
    stream = _encoded(family, stream, context.shape[-1])
    front = context.shape[1] - len(stream)
    if front and front % CLIP_L == 0:
        raise ValueError(
            f"clip puts {front} vectors of CLIP-L in front of {family.text.name}'s, as its type sd3 does. "
            f"{family.text.wanted}"
        )
    pieces = family.text.pieces(clip, stream)
    phrases = [_as_read(clip, family, subject.phrases) for subject in subjects.values()]
    try:
        return find_phrases(pieces, phrases)
    except PhraseNotFound as error:
        name = list(subjects)[error.index]
        raise ValueError(
            f"{name}: {error} Change the phrase of that MUSAR Subject or the prompt, so that the "
            f"prompt has these words once for each subject named so.{family.text.unread(pieces)}"
        ) from None


def _encoded(family: Family, stream: list, width: int) -> list:
    """The tokens that come out of the encoder: it leaves out vectors of another width than its own."""
    own = width // family.text.layers
    return [t for t in stream if not isinstance(t[0], Tensor) or t[0].shape[-1] == own]


def _as_read(clip: CLIP, family: Family, phrases: tuple[str, ...]) -> list[str]:
    """Phrases as the tokenizer reads them: '(robot:1.2)' -> 'robot', unknown letters marked."""
    tokens = (family.text.stream(clip.tokenize(phrase)) for phrase in phrases)
    return [text_of(family.text.pieces(clip, stream)).strip() for stream in tokens]


def _encode_condition_prompt(clip: CLIP, family: Family, text: str) -> list[Tensor]:
    """CT: the prompt's own tokens and its end token [1,·,context], without the host's padding.

    As many as the prompt's conditioning has entries: hooks on clip may schedule several.
    """
    tokens = clip.tokenize(text)
    entries = clip.encode_from_tokens_scheduled(tokens, show_pbar=False)
    stream = _encoded(family, family.text.stream(tokens), entries[0][0].shape[-1])
    length = family.text.own_length(clip, stream)
    return [embeddings[:, :length] for embeddings, _ in entries]


def _encode_reference(vae: VAE, image: Tensor, family: Family, name: str) -> Tensor:
    latent = vae.encode(image)
    if latent.ndim != 4 or latent.shape[1] != family.channels:
        raise ValueError(
            f"vae gives latents of {latent.shape[1]} channels, and {family.name}'s gives {family.channels}. "
            f"Load {family.vae} with Load VAE."
        )
    if not torch.isfinite(latent).all():
        raise ValueError(
            f"vae turned the reference of {name} into values that are not numbers. Start ComfyUI "
            "with --fp32-vae, or load another VAE file."
        )
    return latent
