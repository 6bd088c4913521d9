"""The prompts that are drawn while training goes on."""

import pytest

from tools.comfy_server import ROOT
from training.run.validation import read_prompts

PROMPTS = ROOT / "training" / "configs" / "sprites_prompts.yaml"


def test_the_shipped_prompts():
    one, two, same, three = read_prompts(PROMPTS)
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
        read_prompts(file)
    assert sentence in str(error.value) and "prompts.yaml" in str(error.value)


def test_there_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="validation.prompts is .*, and there is no such file"):
        read_prompts(tmp_path / "none.yaml")
