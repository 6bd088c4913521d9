"""Where words lie in T, and what goes with them."""

import pytest
import torch

from .test_spans import TEXTS

PROMPT = "a dog and a robot on the beach"


@pytest.fixture
def laid_out(pack, monkeypatch, route, sample):
    """laid_out(model, positive): the layout of a step, and the T that the model was given."""
    module, seen = pack("nodes.host.wrapper"), []
    original = module.lay_out

    def keep(plan, x, context, *args):
        seen.append((original(plan, x, context, *args), context))
        return seen[-1][0]

    monkeypatch.setattr(module, "lay_out", keep)

    def run(model, positive, **options):
        sample(route(model), positive, steps=1, **options)
        return seen[-1]

    return run


@pytest.fixture(scope="module")
def dev_clip(mistral):
    return mistral(TEXTS)


def read(positive):
    context, values = positive[0]
    return context, values["model_conds"]["musar"].cond.subjects


def test_kleins_words_lie_where_the_encoder_put_them(flux, condition, laid_out):
    positive = condition(PROMPT, "dog", "robot")
    layout, context = laid_out(flux, positive)
    encoded, subjects = read(positive)
    assert encoded.shape[1] == layout.prompt == 512
    assert [s.phrase for s in layout.subjects] == [s.phrase for s in subjects]
    assert torch.equal(context, encoded)


@pytest.mark.parametrize("batch", (1, 2))
def test_devs_words_are_moved_by_the_padding_before_them(dev, dev_clip, condition, laid_out, batch):
    positive = condition(PROMPT, "dog", "robot", clip=dev_clip)
    encoded, subjects = read(positive)
    assert encoded.shape[1] < 200
    layout, context = laid_out(dev, positive, batch=batch)
    assert layout.prompt == context.shape[1] == 512
    for planned, laid in zip(subjects, layout.subjects):
        assert [i + 512 - encoded.shape[1] for i in planned.phrase] == list(laid.phrase)
        assert torch.equal(context[:1, list(laid.phrase)], encoded[:, list(planned.phrase)])


def test_words_that_another_node_adds_behind_dev(dev, dev_clip, condition, laid_out, call):
    """Padding is what then is left of 512."""
    positive = condition(PROMPT, "dog", "robot", clip=dev_clip)
    more = call("ConditioningConcat", conditioning_to=positive, conditioning_from=condition("at night"))[0]
    layout, context = laid_out(dev, more)
    encoded, subjects = read(positive)
    assert context.shape[1] == encoded.shape[1] + 512
    for planned, laid in zip(subjects, layout.subjects):
        assert torch.equal(context[:, list(laid.phrase)], encoded[:, list(planned.phrase)])


def test_a_zeroed_negative_in_devs_batch(dev, dev_clip, condition, laid_out, call, owners):
    positive = condition(PROMPT, "dog", "robot", clip=dev_clip)
    negative = call("ConditioningZeroOut", conditioning=positive)[0]
    layout, context = laid_out(dev, positive, negative=negative, cfg=3.0)
    silent = torch.cat([(owner == -1).all(1) for owner in owners.seen])
    assert silent.any() and (~silent).any()


def test_six_hundred_words(flux, condition, laid_out):
    """Longer than 512, T is not padded and not cut."""
    positive = condition("a quiet street, rain, " * 110 + "a dog", "dog")
    layout, context = laid_out(flux, positive)
    assert layout.prompt == context.shape[1] == positive[0][0].shape[1] > 600
    assert layout.subjects[0].phrase[0] > 600


def test_condition_prompts_bring_their_template_and_no_padding(condition, clip):
    _, subjects = read(condition("a dog", "dog", prompts=("a very good dog",)))
    template = clip.tokenizer.llama_template.format("a very good dog")
    tokens = clip.tokenizer.qwen3_4b.tokenizer(template)["input_ids"]
    assert subjects[0].text.shape == (1, len(tokens), 96)
    alone = clip.encode_from_tokens(clip.tokenize("a very good dog"))
    assert torch.equal(subjects[0].text[0], alone[0, : len(tokens)])


@pytest.fixture
def ids(pack, monkeypatch):
    """ids(): the ids of text and picture that the latest call of the model worked with."""
    module, seen = pack("nodes.host.routed_call"), []
    original = module.RoutedCall.place_references

    def keep(self, args):
        out = original(self, args)
        seen.append((args["txt_ids"], out["img_ids"], self.layout))
        return out

    monkeypatch.setattr(module.RoutedCall, "place_references", keep)
    return lambda: seen[-1]


def test_ids(flux, route, sample, condition, ids):
    """References on planes 10, 20; words counted on the fourth axis, those of condition prompts on from T."""
    positive = condition(PROMPT, "dog", "robot", prompts=("a dog", ""), positions="index", preset="FLUX.2")
    sample(route(flux), positive, steps=1)
    text, image, layout = ids()
    assert torch.equal(text[0, :, 3], torch.arange(layout.text_length).float()) and not text[..., :3].any()
    first = layout.X.start
    assert not image[0, : layout.target_length, 0].any()
    for k, plane in enumerate((10, 20)):
        own = image[0, layout.CI(k).start - first : layout.CI(k).stop - first]
        assert (own[:, 0] == plane).all() and not own[:, 3].any()
        assert own[0, 1:3].tolist() == [0, 0]
    assert not image[..., 3].any()


@pytest.mark.parametrize("positions", ("diagonal", "column"))
def test_other_positions_leave_the_axis_of_words_alone(flux, route, sample, condition, ids, positions):
    sample(route(flux), condition(PROMPT, "dog", "robot", positions=positions), steps=1)
    _, image, _ = ids()
    assert not image[..., 3].any() and image[..., 1:3].any()
