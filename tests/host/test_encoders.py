"""What the trainer reads of words is what ComfyUI reads, by contextual text encoders of the same weights."""

import os
from pathlib import Path

import pytest
import torch

from training.encoders.flux import FluxEncoder

from .text_encoders import load_hosts, write_diffusers

TOLERANCE = 1e-4
LONG = "Two images concatenated side by side, the left part is: " + ", ".join(
    f"a dog with the number {i} on its back" for i in range(30)
)
PROMPTS = ("a dog and a robot", "a dog. Its fur's old-fashioned, isn't it? A robot, too!", LONG)


@pytest.fixture(scope="module")
def both(tmp_path_factory, nodes):
    folder = tmp_path_factory.mktemp("encoders")
    write_diffusers(folder, Path(os.environ["COMFYUI_PATH"]))
    return load_hosts(folder), FluxEncoder(folder)


def conditioned(both, call, vae, picture, prompt, words):
    subjects = {
        f"subject_{k}": call(
            "MusarSubject", image=picture(), prompt=text, phrase=text.split()[-1], strength=1.0
        )[0]
        for k, text in enumerate(words, 1)
    }
    ((context, values),) = call(
        "MusarConditioning",
        clip=both[0],
        vae=vae,
        prompt=prompt,
        subjects=subjects,
        reference_size=64,
        positions="diagonal",
        guidance=3.5,
    )[0]
    return context[0], values["pooled_output"][0], values["model_conds"]["musar"].cond.subjects


def error(host, trainer):
    assert host.shape == trainer.shape
    return float((host - trainer).norm() / host.norm())


@pytest.mark.parametrize("prompt", PROMPTS, ids=("short", "marks", "long"))
def test_prompts_and_condition_prompts_are_the_hosts(both, call, vae, picture, prompt):
    words = ("a dog", "an old, red robot") if "robot" in prompt else ("a dog",)
    context, pooled, subjects = conditioned(both, call, vae, picture, prompt, words)
    encoder = both[1]
    text, own_pooled = encoder.prompt(prompt)
    assert error(context, text) < TOLERANCE and error(pooled, own_pooled) < TOLERANCE
    assert len(text) == encoder.tokens(prompt)
    for subject, said in zip(subjects, words):
        assert error(subject.text[0], encoder.words(said)) < TOLERANCE
        assert len(encoder.words(said)) == len(encoder.pieces(said)), "no padding"


def test_these_encoders_can_tell(both):
    """Padding changes what the words' own tokens are: an encoder without context would hide it."""
    encoder = both[1]
    bare = encoder._t5(torch.tensor([encoder.t5_tokens("a dog")])).last_hidden_state[0]
    assert error(bare, encoder.words("a dog")) > 100 * TOLERANCE


def test_phrases_are_found_at_the_same_tokens(both, call, vae, picture):
    from musar_attention import find_phrase

    prompt = PROMPTS[1]
    *_, subjects = conditioned(both, call, vae, picture, prompt, ("a dog", "a robot"))
    pieces = both[1].pieces(prompt)
    assert [tuple(s.phrase) for s in subjects] == [find_phrase(pieces, p) for p in ("dog", "robot")]
