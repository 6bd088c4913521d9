"""Phrases are found in the host's own token stream, whatever the prompt looks like."""

import pytest
import torch
from safetensors.torch import save_file


@pytest.fixture
def spans(condition):
    def find(prompt, *phrases, **options):
        plan = condition(prompt, *phrases, **options)[0][1]["model_conds"]["musar"].cond
        return [s.phrase for s in plan.subjects]

    return find


@pytest.fixture
def words(clip):
    """The text of a prompt's tokens at some indices."""

    def read(prompt, indices):
        tokenizer = clip.tokenizer.t5xxl
        pieces = [tokenizer.inv_vocab[t[0]] for t in clip.tokenize(prompt)["t5xxl"][0]]
        return "".join(pieces[i] for i in indices).replace("▁", " ").strip()

    return read


@pytest.mark.parametrize(
    "prompt, phrase, found",
    (
        ("a dog on the beach", "dog", "dog"),
        ("A Dog on the beach", "dog", "Dog"),
        ("a dog on the beach", "DOG", "dog"),
        ("a (dog:1.3) on the beach", "dog", "dog"),
        ("a ((robot dog)) on the beach", "robot dog", "robot dog"),
        ("a dog on the beach", "(dog:1.2)", "dog"),
        ("a 'dog' on the beach", "dog", "dog"),
        ('the so-called "robot-dog", at night', "robot-dog", "robot-dog"),
        ("one robot-dog.", "robot-dog", "robot-dog"),
        ("a bulldog, some dogs and a dog", "dog", "dog"),
        ("a man in a hat\nand a dog", "hat", "hat"),
        (r"a dog \(not a cat\) asleep", "cat", "cat"),
        ("the xylophonist's zweihänder", "zweihänder", "zweihänder"),
        ("the dog’s bowl", "dog's bowl", "dog’s bowl"),
        ("a robot–dog", "robot-dog", "robot–dog"),
        ("a jalapeño in a pot", "jalapeño", "jalape<unk>o"),  # T5 has no ñ
        ("two dogs: a big dog dog", "big dog", "big dog"),
    ),
)
def test_found(spans, words, prompt, phrase, found):
    (span,) = spans(prompt, phrase)
    assert words(prompt, span).strip("'\"") == found


def test_named_twice(spans, words):
    prompt = "a dog and another dog beside a robot dog"
    first, robot, second = spans(prompt, "dog", "robot dog", "dog")
    assert words(prompt, robot) == "robot dog"
    assert max(first) < min(second) < max(robot)


def test_the_condition_prompt_is_the_phrase_where_there_is_no_other(spans, words):
    prompt = "a dog meets a red robot"
    (span,) = spans(prompt, "", prompts=("A red robot",))
    assert words(prompt, span) == "a red robot"


def test_embeddings_shift_what_follows_by_their_vectors(spans, files):
    save_file({"emb_params": torch.randn(3, 64)}, files.embeddings / "fits.safetensors")
    save_file({"emb_params": torch.randn(3, 48)}, files.embeddings / "wrong_width.safetensors")
    (plain,) = spans("a very dog", "dog")
    (shifted,) = spans("a very embedding:fits dog", "dog")
    (dropped,) = spans("a very embedding:wrong_width dog", "dog")  # the encoder leaves it out
    assert [i - 3 for i in shifted] == list(plain) == list(dropped)


def test_phrases_lie_where_the_encoder_puts_their_words(condition, clip, spans):
    """The embedding at the span is the word's own: token stream and context agree."""
    prompt = "a very embedding:fits (dog:1.5) asleep"
    (span,) = spans(prompt, "dog")
    context = condition(prompt, "dog")[0][0]
    token = clip.tokenizer.t5xxl.tokenizer("dog")["input_ids"][0]
    assert torch.equal(context[0, span[0]], clip.cond_stage_model.words.weight[token] * 1.5)


@pytest.mark.parametrize(
    "prompt, phrases, says",
    (
        ("a cat on the beach", ("dog",), ("subject_1", "'dog'", "does not contain it", "a cat on the beach")),
        ("a dog on the beach", ("dog", "dog"), ("subject_2", "'dog'", "2 times", "once")),
        ("a robot dog", ("robot dog", "dog"), ("subject_2", "'dog'", "part of another subject's phrase")),
        ("a dog", ("!?",), ("subject_1", "no letter or digit")),
        ("一只狗", ("狗",), ("subject_1", "no letter or digit", "unknown to T5")),
        ("", ("dog",), ("prompt is empty", "subject_1")),
        ("  \n", ("dog", "cat"), ("prompt is empty", "subject_1, subject_2")),
    ),
)
def test_not_found(spans, prompt, phrases, says):
    with pytest.raises(ValueError) as error:
        spans(prompt, *phrases)
    for words in says:
        assert words in str(error.value)


def test_condition_prompts_bring_their_own_tokens_only(condition, clip):
    """CT is the prompt's tokens and its end token; the host's padding to 256 stays out."""
    plan = condition("a dog", "dog", prompts=("a very good dog",))[0][1]["model_conds"]["musar"].cond
    tokens = clip.tokenizer.t5xxl.tokenizer("a very good dog")["input_ids"]
    assert plan.subjects[0].text.shape == (1, len(tokens), 64)
    assert torch.equal(plan.subjects[0].text[0], clip.cond_stage_model.words.weight[tokens])
