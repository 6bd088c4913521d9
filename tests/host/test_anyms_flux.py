"""AnyMS on a tiny FLUX.1 through the stock loader, sampled by the stock KSampler."""

import pytest
import torch
from torch.nn import functional as F

from tools.tiny_adapters import SMALL, adapter_weights, head_weights

from . import narrow
from .anyms import crop_and_merge, keys_values, white_square
from .making import guided

INSTANTX, XLABS = "InstantX FLUX IP-Adapter", "XLabs FLUX IP-Adapter"
LAYERS = {INSTANTX: [256] * 5, XLABS: [256] * 2}  # two double blocks and three single ones
SIZE = (96, 80)  # 6 × 5 tokens
BOXES = [
    {"x": 0, "y": 16, "width": 48, "height": 48},
    {"x": 32, "y": 32, "width": 48, "height": 48},
    {"x": 16, "y": 40, "width": 32, "height": 17},
]
PROMPT = "a dog and a robot"
CLOSE = 1e-5


@pytest.fixture(scope="module")
def encoder(nodes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vision")
    return {
        INSTANTX: narrow.vision(folder, "siglip_vision_model", projected=None),
        XLABS: narrow.vision(folder),
    }


@pytest.fixture
def lay(call, flux, adapter, encoder, subjects):
    def run(kind, on=None, layers=None, seed=0, **options):
        return call(
            "AnymsLayout",
            model=on or flux,
            adapter=adapter(kind, layers or LAYERS[kind], seed),
            **{"clip_vision": encoder[kind], "subjects": subjects(), "boxes": [BOXES], **options},
        )[0]

    return run


def pooled(states, state):
    """SigLIP's head by torch's own attention module."""
    head = {k.removeprefix("vision_model.head."): v for k, v in state.items()}
    width = states.shape[-1]
    attention = torch.nn.MultiheadAttention(width, 16, batch_first=True)
    attention.load_state_dict({k.removeprefix("attention."): v for k, v in head.items() if "attention." in k})
    x = attention(head["probe"].expand(len(states), -1, -1), states, states, need_weights=False)[0]
    y = F.layer_norm(x, (width,), eps=1e-6)
    y = F.gelu(F.linear(y, head["mlp.fc1.weight"], head["mlp.fc1.bias"]), approximate="tanh")
    return (x + F.linear(y, head["mlp.fc2.weight"], head["mlp.fc2.bias"]))[:, 0]


def image_tokens(kind, state, encoder, subjects):
    """Of each subject, and of what stands for none: an embedding of zeros, or XLabs' black picture."""
    images = [white_square(s.image) for s in subjects.values()]
    if kind == XLABS:
        images.append(torch.zeros(1, 224, 224, 3))
    seen = [encoder.encode_image(image, crop=False) for image in images]
    if kind == INSTANTX:
        seen = [pooled(s["last_hidden_state"], head_weights()) for s in seen]
        first = "image_proj.proj.0."
        names, norm = [first, "image_proj.proj.2."], "image_proj.norm."
    else:
        seen = [s["image_embeds"] for s in seen]
        names, norm = ["ip_adapter_proj_model.proj."], "ip_adapter_proj_model.norm."
    out, width = [], SMALL[kind]["width"]
    for x in seen if kind == XLABS else [*seen, torch.zeros(1, SMALL[kind]["sees"])]:
        for n, name in enumerate(names):
            x = F.linear(F.gelu(x) if n else x, state[name + "weight"], state[name + "bias"])
        x = x.reshape(1, -1, width)
        out.append(F.layer_norm(x, (width,), state[norm + "weight"], state[norm + "bias"]))
    return out[:-1], out[-1]


@pytest.fixture
def by_hand(flux, encoder, subjects, monkeypatch):
    """by_hand(kind): from now on the blocks of the model do it themselves, until the test ends.

    Their attention is found by the network's own functions: the query at the norm's outcome, InstantX's
    sum at the projection's input, XLabs' at the block's outcome.
    """

    def install(kind, weight=1.0, order=(1, 0, 2), text=256):
        state = adapter_weights(kind, LAYERS[kind])
        seen, empty = image_tokens(kind, state, encoder[kind], subjects())
        boxes = [
            (b["x"] / SIZE[1], b["y"] / SIZE[0], (b["x"] + b["width"]) / SIZE[1])
            + ((b["y"] + b["height"]) / SIZE[0],)
            for b in BOXES
        ]
        told, network = {}, flux.model.diffusion_model

        def image(n, q):
            """[B,30,256] of the queries of X"""
            if kind == INSTANTX:
                names = (f"ip_adapter.{n}.to_k_ip", f"ip_adapter.{n}.to_v_ip")
            else:
                at = f"double_blocks.{n}.processor.ip_adapter_double_stream"
                names = (f"{at}_k_proj", f"{at}_v_proj")
            out = []
            for positive, part in zip(told["parts"], q.chunk(len(told["parts"]))):
                tokens = seen if positive == 0 else [empty] * 3
                held = [(*keys_values(t, state, *names, 128, kind == INSTANTX), 1) for t in tokens]
                out.append(crop_and_merge(part, held, boxes, order, (6, 5)))
            return weight * torch.cat(out).transpose(1, 2).flatten(2)

        def listen(module, args, kwargs):
            told["parts"] = (kwargs.get("transformer_options") or args[-1])["cond_or_uncond"]

        def keep(module, inputs, output, double):
            told["q"] = output[0] if double else output[0][:, :, text : text + 30]

        def into_projection(module, inputs, n, start):
            x = inputs[0].clone()
            x[:, start : start + 30, :256] += image(n, told["q"][:, :, :30])
            return (x,)

        def after(module, inputs, output, n):
            img, txt = output
            img = img.clone()
            img[:, :30] += image(n, told["q"][:, :, :30])
            return img, txt

        hooks = [network.register_forward_pre_hook(listen, with_kwargs=True)]
        for n, block in enumerate(network.double_blocks):
            hooks.append(block.img_attn.norm.register_forward_hook(lambda *a: keep(*a, True)))
            if kind == INSTANTX:
                hooks.append(
                    block.img_attn.proj.register_forward_pre_hook(lambda *a, n=n: into_projection(*a, n, 0))
                )
            else:
                hooks.append(block.register_forward_hook(lambda *a, n=n: after(*a, n)))
        for n, block in enumerate(network.single_blocks if kind == INSTANTX else ()):
            hooks.append(block.norm.register_forward_hook(lambda *a: keep(*a, False)))
            hooks.append(
                block.linear2.register_forward_pre_hook(lambda *a, n=n: into_projection(*a, n + 2, text))
            )
        return hooks

    hooks = []
    yield lambda *a, **k: hooks.extend(install(*a, **k))
    for hook in hooks:
        hook.remove()


def apart(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.mark.parametrize("kind", (INSTANTX, XLABS))
def test_by_hand(kind, lay, by_hand, sample, condition, flux):
    positive, negative = condition(PROMPT), condition("rain")
    options = {"batch": 2, "cfg": 2.0, "size": SIZE}
    plain = sample(flux, positive, negative, **options)
    ours = sample(lay(kind, priorities="1, 0, 2"), positive, negative, **options)
    assert torch.equal(sample(flux, positive, negative, **options), plain)
    by_hand(kind, text=positive[0][0].shape[1])
    theirs = sample(flux, positive, negative, **options)
    assert apart(ours, theirs) <= CLOSE < 1e-3 < apart(ours, plain)


def test_nothing_asked_for_is_no_node(lay, sample, condition, flux, subjects):
    assert lay(INSTANTX, weight=0.0) is flux
    assert lay(XLABS, subjects=subjects(strength=0.0)) is flux


def test_a_step_is_asked_for_its_sigma_once(pack):
    class Sigmas(list):
        reads = 0

        def __getitem__(self, index):
            Sigmas.reads += 1
            return super().__getitem__(index)

    beside = pack("nodes.host.anyms.beside").Beside(None, None, 1.0, (0.8, 0.2))
    steps = [Sigmas([sigma]) for sigma in (0.9, 0.8, 0.5, 0.1, 0.5)]
    said = [[beside.acts(0, {"sigmas": step}) for _ in range(3)] for step in steps]
    assert said == [[inside] * 3 for inside in (False, True, True, False, True)]
    assert Sigmas.reads == len(steps) and beside.acts(0, {})


@pytest.mark.parametrize("kind", (INSTANTX, XLABS))
def test_outside_the_window_the_picture_is_the_hosts(kind, lay, sample, condition, flux):
    positive = condition(PROMPT)
    late = lay(kind, start_percent=1.0)
    assert torch.equal(sample(late, positive), sample(flux, positive))


def test_with_musar_in_the_same_graph(lay, route, sample, condition, flux):
    """References, condition prompts and routes stay what they were; the picture's rows alone change."""
    plain = condition(PROMPT)
    both = condition(PROMPT, "dog", "robot", prompts=("a dog", ""))
    first, last = lay(INSTANTX, on=route(flux)), route(lay(INSTANTX))
    assert torch.equal(sample(first, both), sample(last, both))
    assert apart(sample(first, both), sample(route(flux), both)) > 1e-3
    assert torch.equal(sample(first, plain), sample(lay(INSTANTX), plain))


@pytest.fixture
def told(pack, monkeypatch):
    """What every layer was told of its batch, in a row."""
    kind, seen = pack("nodes.host.anyms.sides").Sides, []
    whole = kind.of

    def of(self, options):
        sides, found = options["cond_or_uncond"], whole(self, options)
        seen.extend(zip(sides, found))
        return found

    monkeypatch.setattr(kind, "of", of)
    return seen


def test_the_positive_of_every_guider_has_the_subjects(lay, condition, call, sample, told):
    model, positive, negative = lay(INSTANTX), condition(PROMPT), condition("a tree")
    sample(model, positive, negative, cfg=2.0)
    assert set(told) == {(0, True), (1, False)}
    told.clear()
    area = {"width": 1.0, "height": 0.5, "x": 0.0, "y": 0.0, "strength": 1.0}
    (part,) = call("ConditioningSetAreaPercentage", conditioning=positive, **area)
    sample(lay(INSTANTX, merge="joint"), part, negative, cfg=2.0)  # which has no boxes to measure on it
    assert set(told) == {(0, True), (1, False)}, "though the area stands on both sides under one id"
    told.clear()
    conds = {"cond1": positive, "cond2": condition("a house"), "negative": negative}
    guided(call, model, "DualCFGGuider", **conds, cfg_conds=2.0, cfg_cond2_negative=2.0, style="regular")
    assert set(told) == {(0, False), (1, True), (2, True)}
    told.clear()
    conds = {"positive": positive, "negative": negative, "empty_conditioning": condition("")}
    guided(call, model, "PerpNegGuider", **conds, cfg=2.0, neg_scale=1.0)
    assert set(told) == {(0, True), (1, False), (2, False)}


def test_a_negative_that_is_asked_for_alone(pack):
    """As Self-Attention Guidance and Dual Model CFG Guider do it: by the ids of the run's conditionings."""
    sides = pack("nodes.host.anyms.sides").Sides()
    conds = {"positive": [{"uuid": "p"}], "negative": [{"uuid": "n"}]}
    executor = type("Executor", (), {"class_obj": type("Guider", (), {"conds": conds})})
    alone = {"cond_or_uncond": [0], "uuids": ["n"]}

    def run(*args):
        assert sides.of(alone) == [False] and sides.of(alone | {"uuids": ["p"]}) == [True]

    executor.__call__ = lambda self, *args: run(*args)
    sides.begin_run(executor())
    assert sides.of(alone) == [True], "no run, no ids"


def test_joint_needs_no_boxes(lay, sample, condition):
    positive = condition(PROMPT)
    without, with_boxes = lay(INSTANTX, merge="joint", boxes=None), lay(INSTANTX, merge="joint")
    assert torch.equal(sample(without, positive), sample(with_boxes, positive))


def test_two_adapters_in_a_row(lay, sample, condition):
    positive = condition(PROMPT)
    a, b = lay(XLABS, on=lay(INSTANTX)), lay(INSTANTX, on=lay(XLABS))
    assert apart(sample(a, positive), sample(b, positive)) <= CLOSE
    assert apart(sample(a, positive), sample(lay(INSTANTX), positive)) > 1e-3
    twice = lay(XLABS, on=lay(XLABS, weight=0.5), weight=0.5)
    assert apart(sample(twice, positive), sample(lay(XLABS), positive)) <= CLOSE


@pytest.mark.parametrize("size", ((88, 104), (120, 72)))
def test_odd_sizes(lay, sample, condition, flux, size):
    boxes = {"canvas_width": SIZE[1], "canvas_height": SIZE[0]}
    ours, plain = (sample(m, condition(PROMPT), size=size) for m in (lay(INSTANTX, **boxes), flux))
    assert apart(ours, plain) > 1e-3


def test_sixteen_subjects_of_several_views(lay, sample, condition, call, picture):
    views = torch.cat([picture(seed=8), picture(seed=9)])
    many = {f"subject_{k}": call("MusarSubject", image=views, phrase=f"{k}")[0] for k in range(1, 17)}
    boxes = [{"x": 20 * (k % 4), "y": 24 * (k // 4), "width": 20, "height": 24} for k in range(16)]
    positive = condition(PROMPT)
    whole = lay(INSTANTX, subjects=many, boxes=[boxes])
    once = {"subject_1": many["subject_1"]}
    one = lay(INSTANTX, subjects=once, boxes=[[{"x": 0, "y": 0, "width": 80, "height": 96}]])
    assert apart(sample(whole, positive), sample(one, positive)) <= CLOSE


@pytest.mark.parametrize(
    "kind, layers, wants, has",
    [
        (INSTANTX, [256] * 4, "4 attention layers of widths 256", "5 attention layers of widths 256"),
        (XLABS, [128] * 2, "2 attention layers of widths 128", "2 attention layers of widths 256"),
    ],
)
def test_adapters_of_another_base(lay, kind, layers, wants, has):
    with pytest.raises(
        ValueError, match=f"this.safetensors is made for {wants}, and model has {has}. Choose"
    ):
        lay(kind, layers=layers)


def test_models_that_adapters_are_not_known_for(lay, load_flux, nodes):
    with pytest.raises(ValueError, match="of another kind than dev or schnell, and image adapters are known"):
        lay(INSTANTX, on=load_flux(channels=96))


@pytest.mark.parametrize(
    "kind, wide, says",
    [
        (INSTANTX, {"width": 32}, "gives 32 numbers a part of a picture, .* reads 64 a part"),
        (XLABS, {"projected": 40}, "gives 40 numbers of a picture, .* reads 48 of the whole"),
    ],
)
def test_another_vision_encoder(lay, tmp_path, kind, wide, says):
    with pytest.raises(ValueError, match=f"clip_vision {says}: it was trained with"):
        lay(kind, clip_vision=narrow.vision(tmp_path, **wide))


@pytest.mark.parametrize("kind", (INSTANTX, XLABS))
def test_behind_a_compiled_run_without(kind, flux, lay, condition, sample, compiled):
    """Graphs are traced without guards on what a layout hangs on a call: it is not compiled at all."""
    words = condition(PROMPT)
    for model in (flux, lay(kind), lay(kind, boxes=[BOXES[::-1]]), flux):
        assert torch.equal(sample(compiled(model), words, size=SIZE), sample(model, words, size=SIZE))
