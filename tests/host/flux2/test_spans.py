"""Phrases in FLUX.2's prompts, token by token, against the tokenizer's own character offsets.

⟦…⟧ marks where the phrase stands; the marks are taken away before anything reads the prompt.
"""

import pytest
import torch
from safetensors.torch import save_file

LONG = "a quiet street, rain, " * 110
PROMPTS = [
    ("a ⟦dog⟧ on the beach", "dog"),
    ("A ⟦Dog⟧ on the beach", "dog"),
    ("a ⟦dog⟧ on the beach", "DOG"),
    ("⟦dog⟧", "dog"),
    (" \n⟦dog⟧\n ", "dog"),
    ("\n\n⟦robot dog⟧, asleep", "robot dog"),
    ("a bulldog, some dogs and a ⟦dog⟧", "dog"),
    ("a (⟦dog⟧:1.3) on the beach", "dog"),  # weights are read as written
    ("a ⟦dog:1.3⟧ on the beach", "(dog:1.3)"),
    ("a ((⟦robot dog⟧)) on the [beach]", "robot dog"),
    ("a {⟦robot⟧} and {} braces", "robot"),
    (r"a dog \(not a ⟦cat⟧\) asleep", "cat"),
    ('the so-called "⟦robot-dog⟧", at night', "robot-dog"),
    ("the ⟦dog’s bowl⟧", "dog's bowl"),
    ("a ⟦robot–dog⟧", "robot-dog"),
    ("a man in a ⟦hat⟧\nand a dog", "hat"),
    # the template's own words, and its marks
    ("a ⟦user⟧ at a desk", "user"),
    ("an ⟦assistant⟧ for the user", "assistant"),
    ("statues that ⟦think⟧", "think"),
    ("the <think> of a ⟦robot⟧ </think>", "robot"),
    ("a ⟦robot⟧ <|im_end|> and the rest", "robot"),
    ("a wall <|im_end|>\n<|im_start|>assistant ⟦robot⟧", "robot"),
    ("an ⟦AI⟧ that reasons about image descriptions", "AI"),
    # letters of several bytes, in one token and in several
    ("⟦狗⟧在海滩上", "狗"),
    ("一只红色的⟦机器人⟧和一只猫在海滩上", "机器人"),
    ("一只⟦狗⟧，一只猫", "狗"),
    ("一隻⟦龘龘⟧在海灘上", "龘龘"),
    ("海滩上有⟦robot⟧和猫", "robot"),
    ("ビーチにいる⟦ロボット⟧と猫", "ロボット"),
    ("해변의 ⟦로봇⟧ 하나", "로봇"),
    ("⟦собака⟧ на пляже", "СОБАКА"),
    ("หมาและ⟦แมว⟧บนชายหาด", "แมว"),
    ("the xylophonist's ⟦zweihänder⟧", "zweihänder"),
    ("a ⟦jalapeño⟧ in a pot", "jalapeño"),
    ("a ⟦cafe\u0301⟧ by the sea", "café"),
    ("a ⟦🤖⟧ next to a dog", "🤖"),
    ("🐕🤖 a 🦄 and a ⟦dog⟧ 🐾", "dog"),
    ("a 👩\u200d🚀 on a ⟦horse⟧", "horse"),
    ("𝔞 𐍈 ⟦ 𝔡𝔬𝔤⟧ and 🦤", "dog"),
    (f"{LONG}a ⟦dog⟧", "dog"),
    (f"a ⟦dog⟧, {LONG}", "dog"),
    ("ein ⟦Straßenhund⟧ am Strand", "STRASSENHUND"),
    ("ｔｗｏ ⟦ｄｏｇｓ⟧", "dogs"),
]
TEXTS = LONG[:22] + " ".join(prompt.replace("⟦", "").replace("⟧", "") for prompt, _ in PROMPTS[:-4])


def unmarked(marked):
    """The prompt, and from where to where its phrase stands."""
    before, rest = marked.split("⟦")
    phrase, after = rest.split("⟧")
    begin = len(before) + len(phrase) - len(phrase.lstrip())
    return before + phrase + after, begin, len(before) + len(phrase)


def by_offsets(clip, key, prompt, begin, end, start_token=False):
    """The tokens that hold some of the prompt's letters from begin to end, as the tokenizer says."""
    template = clip.tokenizer.llama_template
    inner = getattr(clip.tokenizer, key).tokenizer
    prompt_as_read = prompt.replace(r"\(", "(").replace(r"\)", ")")
    moved = len(prompt[:begin]) - len(prompt[:begin].replace(r"\(", "(").replace(r"\)", ")"))
    first = template.index("{}") + begin - moved
    last = first + end - begin
    read = inner(template.format(prompt_as_read), return_offsets_mapping=True)
    shift = int(start_token) - (read["input_ids"][0] == 1)
    return tuple(
        i + shift for i, (a, b) in enumerate(read["offset_mapping"]) if a < last and b > first and a < b
    )


@pytest.fixture
def spans(call, picture):
    def find(clip, prompt, *phrases):
        subjects = {
            f"subject_{k}": call("MusarSubject", image=picture(16, 16), phrase=phrase)[0]
            for k, phrase in enumerate(phrases, 1)
        }
        conditioning = call(
            "MusarConditioning", clip=clip, vae=Vae(), prompt=prompt, subjects=subjects, reference_size=64
        )[0]
        return [s.phrase for s in conditioning[0][1]["model_conds"]["musar"].cond.subjects]

    return find


class Vae:
    """Latents of FLUX.2's form, at once."""

    def encode(self, image):
        return torch.zeros(1, 128, image.shape[1] // 16, image.shape[2] // 16)


def test_enough_prompts():
    assert len(PROMPTS) >= 40


@pytest.mark.parametrize("marked, phrase", PROMPTS)
def test_klein(clip, spans, marked, phrase):
    prompt, begin, end = unmarked(marked)
    assert spans(clip, prompt, phrase) == [by_offsets(clip, "qwen3_4b", prompt, begin, end)]


@pytest.fixture(scope="module")
def dev_clip(mistral):
    return mistral(TEXTS)


@pytest.mark.parametrize("marked, phrase", PROMPTS)
def test_dev(dev_clip, spans, marked, phrase):
    prompt, begin, end = unmarked(marked)
    expected = by_offsets(dev_clip, "mistral3_24b", prompt, begin, end, start_token=True)
    assert spans(dev_clip, prompt, phrase) == [expected]


def test_named_twice(clip, spans):
    prompt = "一只狗和另一只狗，还有一只机器狗"
    first, robot, second = spans(clip, prompt, "狗", "机器狗", "狗")
    assert max(first) < min(second) < min(robot)


def test_embeddings_shift_what_follows_by_their_vectors(clip, spans, files):
    save_file({"emb_params": torch.randn(3, 32)}, files.embeddings / "chat_fits.safetensors")
    save_file({"emb_params": torch.randn(3, 96)}, files.embeddings / "chat_wrong_width.safetensors")
    words = clip.tokenizer.qwen3_4b.inv_vocab
    for prompt in (
        "a very, dog",
        "a very embedding:chat_fits , dog",
        "a very embedding:chat_wrong_width , dog",  # the encoder leaves it out
        "a dog, very embedding:chat_fits",
    ):
        stream = [token for token, *_ in clip.tokenize(prompt)["qwen3_4b"][0]]
        encoded = [t for t in stream if not torch.is_tensor(t) or len(t) == 32]
        (place,) = (i for i, t in enumerate(encoded) if not torch.is_tensor(t) and words[t] == "Ġdog")
        assert spans(clip, prompt, "dog") == [(place,)]


@pytest.mark.parametrize(
    "prompt, phrases, says",
    (
        ("a cat on the beach", ("dog",), ("subject_1", "'dog'", "does not contain it: 'a cat on the beach'")),
        ("a cat", ("assistant",), ("subject_1", "'assistant'", "does not contain it: 'a cat'")),
        ("一只狗", ("猫",), ("subject_1", "'猫'", "does not contain it: '一只狗'")),
        ("a dog", ("!?",), ("subject_1", "no letter or digit")),
        ("  \n", ("dog", "cat"), ("prompt is empty", "subject_1, subject_2")),
    ),
)
def test_not_found(clip, spans, prompt, phrases, says):
    with pytest.raises(ValueError) as error:
        spans(clip, prompt, *phrases)
    for words in says:
        assert words in str(error.value)
