"""The prompts that are drawn while training goes on."""

import pytest
from PIL import Image

from tools.comfy_server import ROOT
from training.data.sizes import Sizes
from training.run.validation import read_prompts

PROMPTS = ROOT / "training" / "configs" / "sprites_prompts.yaml"


def test_the_shipped_prompts():
    one, two, same, three = read_prompts(PROMPTS, Sizes())
    assert [len(e.references) for e in (one, two, same, three)] == [1, 2, 2, 3]
    assert [r.occurrence for r in same.references] == [0, 1], "the second duck is the second one named"
    assert three.target.shape == (128, 176, 3)
    assert all(r.image.shape == (64, 64, 3) for r in three.references)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "is a list of prompts with their references; found None"),
        ("- {prompt: a cat}", "prompt 1: write prompt, size (height, width) and references"),
        ("- {prompt: a cat, size: [64], references: []}", "prompt 1: write prompt, size"),
        (
            "- {prompt: a cat, size: [64, 64], references: [{image: none.png, words: a cat, phrase: cat}]}",
            "No such file",
        ),
    ],
)
def test_bad_prompts_are_sentences(tmp_path, text, sentence):
    file = tmp_path / "prompts.yaml"
    file.write_text(text)
    with pytest.raises(ValueError) as error:
        read_prompts(file, Sizes())
    assert sentence in str(error.value) and "prompts.yaml" in str(error.value)


def test_references_have_the_size_of_training(tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "cat.png")
    one = "{prompt: a cat, size: [64, %s], references: [{image: cat.png, words: a cat, phrase: cat}]}"
    file = tmp_path / "prompts.yaml"
    file.write_text(f"- {one % 96}")
    (example,) = read_prompts(file, Sizes(reference=64))
    assert example.references[0].image.shape == (32, 64, 3) and example.target.shape == (64, 96, 3)
    with pytest.raises(ValueError, match="prompt 1: its reference cat.png is 200 × 100, and both sides"):
        read_prompts(file, Sizes())
    file.write_text(f"- {one % 100}")
    with pytest.raises(ValueError, match="prompt 1: its size is 100 × 64. Write multiples of 16"):
        read_prompts(file, Sizes(reference=64))


def test_there_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="validation.prompts is .*, and there is no such file"):
        read_prompts(tmp_path / "none.yaml", Sizes())
