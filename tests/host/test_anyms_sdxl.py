"""AnyMS on a narrow SDXL of the host's class, sampled by the stock KSampler."""

import pytest
import torch
from diffusers.loaders.unet import UNet2DConditionLoadersMixin

from tools.tiny_adapters import adapter_weights

from . import narrow
from .anyms import attend, crop_and_merge, heads_of, keys_values, white_square

BASE, PLUS = "SDXL IP-Adapter", "SDXL IP-Adapter plus"
SIZE = (104, 72)  # height and width; 13 × 9 cells, and odd at every level below
BOXES = [
    {"x": 4, "y": 8, "width": 40, "height": 60},
    {"x": 30, "y": 40, "width": 40, "height": 60},
    {"x": 20, "y": 30, "width": 20, "height": 20},
]
ORDER = [0, 1, 2]  # the first two are of one size, the last is smaller
CLOSE = 2e-5  # of the largest value


def apart(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.fixture(scope="module")
def model(nodes):
    return narrow.sdxl()


@pytest.fixture(scope="module")
def encoder(nodes, tmp_path_factory):
    return narrow.vision(tmp_path_factory.mktemp("vision"))


@pytest.fixture
def lay(call, model, encoder, subjects):
    def run(adapter, on=None, subjects_=None, **options):
        return call(
            "AnymsLayout",
            model=on or model,
            adapter=adapter,
            clip_vision=encoder,
            subjects=subjects_ or subjects(),
            **{"boxes": [BOXES], **options},
        )[0]

    return run


@pytest.fixture
def draw(call):
    def run(model, size=SIZE, batch=1, steps=2, cfg=3.0):
        latent = {"samples": torch.zeros(batch, 4, size[0] // 8, size[1] // 8)}
        return call(
            "KSampler",
            model=model,
            seed=5,
            steps=steps,
            cfg=cfg,
            sampler_name="euler",
            scheduler="normal",
            positive=narrow.prompt(1),
            negative=narrow.prompt(2),
            latent_image=latent,
            denoise=1.0,
        )[0]["samples"]

    return run


@pytest.fixture
def by_hand(model, encoder, subjects, monkeypatch):
    """by_hand(kind, seed, weight, order …): attn2 of every layer in its own words, until the test ends."""

    def tokens_of(kind, state):
        projection = {k.removeprefix("image_proj."): v for k, v in state.items() if "image_proj" in k}
        make = UNet2DConditionLoadersMixin._convert_ip_adapter_image_proj_to_diffusers
        network = make(None, projection, low_cpu_mem_usage=False)
        seen = "image_embeds" if kind == BASE else "penultimate_hidden_states"
        images = [s.image for s in subjects().values()]
        out = [network(encoder.encode_image(white_square(i), crop=False)[seen]) for i in images]
        if kind == BASE:
            empty = network(torch.zeros(1, 48))
        else:
            grey = encoder.encode_image(torch.tensor(encoder.image_mean).expand(1, 32, 32, 3))
            empty = network(grey[seen])
        return [t.reshape(1, -1, t.shape[-1]) for t in out], empty.reshape(1, -1, empty.shape[-1])

    def install(kind, seed=0, weight=1.0, order=ORDER, strengths=(1, 1, 1), background="zero", size=SIZE):
        state = adapter_weights(kind, narrow.LAYERS, seed=seed)
        seen, empty = tokens_of(kind, state)
        boxes = [
            (b["x"] / SIZE[1], b["y"] / SIZE[0], (b["x"] + b["width"]) / SIZE[1])
            + ((b["y"] + b["height"]) / SIZE[0],)
            for b in BOXES
        ]
        network = model.model.diffusion_model
        blocks = [*network.input_blocks, *network.output_blocks, network.middle_block]
        layers = [t.attn2 for b in blocks for m in b for t in getattr(m, "transformer_blocks", ())]
        for n, layer in enumerate(layers):
            at = f"ip_adapter.{2 * n + 1}."

            def forward(x, context, value=None, transformer_options=None, layer=layer, at=at, **kwargs):
                q, k, v = (
                    heads_of(t, layer.dim_head)
                    for t in (layer.to_q(x), layer.to_k(context), layer.to_v(context))
                )
                z = attend(q, k, v)
                parts, target = (
                    transformer_options["cond_or_uncond"],
                    transformer_options["activations_shape"][2:],
                )
                for told, rows in zip(parts, torch.arange(len(q)).chunk(len(parts))):
                    held = [
                        (*keys_values(t, state, at + "to_k_ip", at + "to_v_ip", layer.dim_head), s)
                        for t, s in zip(seen if told == 0 else [empty] * 3, strengths)
                    ]
                    z[rows] += weight * crop_and_merge(q[rows], held, boxes, order, target, background)
                return layer.to_out(z.transpose(1, 2).flatten(2))

            monkeypatch.setattr(layer, "forward", forward)

    return install


@pytest.mark.parametrize("kind", (BASE, PLUS))
def test_by_hand(kind, adapter, lay, draw, by_hand, model):
    plain = draw(model, batch=2)
    ours = draw(lay(adapter(kind, narrow.LAYERS)), batch=2)
    assert torch.equal(draw(model, batch=2), plain)
    by_hand(kind)
    theirs = draw(model, batch=2)
    assert apart(ours, theirs) <= CLOSE < 0.01 < apart(ours, plain)


def test_priorities_strengths_weight_and_background_by_hand(adapter, lay, draw, by_hand, model, subjects):
    options = {"priorities": "2, 0, 1", "weight": 0.7, "background": "query"}
    ours = draw(lay(adapter(BASE, narrow.LAYERS), subjects_=subjects(strength=(1.0, 0.5, 0.8)), **options))
    by_hand(BASE, weight=0.7, order=[1, 2, 0], strengths=(1, 0.5, 0.8), background="query")
    assert apart(ours, draw(model)) <= CLOSE


def test_nothing_asked_for_is_no_node(adapter, lay, subjects, model):
    some = adapter(BASE, narrow.LAYERS)
    assert lay(some, weight=0.0) is model
    assert lay(some, subjects_=subjects(strength=0.0)) is model


def test_outside_the_window_the_picture_is_the_hosts(adapter, lay, draw, model):
    plain = draw(model)
    some = adapter(BASE, narrow.LAYERS)
    assert torch.equal(draw(lay(some, start_percent=1.0, end_percent=1.0)), plain)
    half = draw(lay(some, end_percent=0.3), steps=3)
    assert not torch.equal(half, draw(model, steps=3)) and not torch.equal(half, draw(lay(some), steps=3))


def test_two_adapters_in_a_row_and_patches_of_others(adapter, lay, draw, model):
    """Order does not matter, and another node's attn2 patch gives the text's part."""
    first, second = adapter(BASE, narrow.LAYERS, 1), adapter(PLUS, narrow.LAYERS, 2)
    a, b = draw(lay(second, on=lay(first))), draw(lay(first, on=lay(second)))
    assert apart(a, b) <= CLOSE and apart(a, draw(lay(first))) > 0.01

    other = model.clone()
    for number in (4, 5, 7, 8):
        other.set_model_attn2_replace(lambda q, k, v, options: torch.zeros_like(q), "input", number)
    both = draw(lay(first, on=other))
    assert apart(both, draw(other)) > 0.01 and apart(both, draw(lay(first))) > 0.01


def test_keys_and_values_are_the_hosts_to_count_and_to_unload(adapter, lay, draw):
    import comfy.model_management

    patched = lay(adapter(BASE, narrow.LAYERS))
    (held,) = [m for models in patched.additional_models.values() for m in models]
    tokens, entries = 4, 4  # of a base adapter; three subjects, and what the negative sees
    assert held.model_size() == sum(narrow.LAYERS) * 2 * tokens * entries * 4
    once = draw(patched)
    comfy.model_management.unload_all_models()
    assert torch.equal(draw(patched), once)


def test_a_second_pass_of_another_size(adapter, lay, draw):
    """Boxes of a canvas are fractions of the picture, whatever its size."""
    canvas = {"canvas_width": SIZE[1], "canvas_height": SIZE[0]}
    doubled = [{key: 2 * value for key, value in box.items()} for box in BOXES]
    large = (2 * SIZE[0], 2 * SIZE[1])
    some = adapter(BASE, narrow.LAYERS)
    once, again = draw(lay(some, **canvas), large), draw(lay(some, boxes=[doubled]), large)
    assert torch.equal(once, again)
    assert not torch.equal(once, draw(lay(some), large))


def test_what_overlaps_tells_the_merges_apart(adapter, lay, draw):
    some = adapter(BASE, narrow.LAYERS)
    apart = [
        BOXES[0],
        {"x": 50, "y": 70, "width": 20, "height": 30},
        {"x": 50, "y": 0, "width": 20, "height": 30},
    ]
    pictures = {m: draw(lay(some, merge=m)) for m in ("crop", "sum", "joint")}
    assert not torch.equal(pictures["crop"], pictures["sum"])
    assert not torch.equal(pictures["crop"], pictures["joint"])
    assert torch.equal(*(draw(lay(some, merge=m, boxes=[apart])) for m in ("crop", "sum")))


def test_the_layers_of_the_full_sdxl_are_in_the_files_order(pack):
    """Files count them as diffusers names them: down, up, middle."""
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    full = {
        **narrow.CONFIG,
        "model_channels": 320,
        "transformer_depth": [0, 0, 2, 2, 10, 10],
        "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
        "transformer_depth_middle": 10,
        "context_dim": 2048,
        "num_head_channels": 64,
    }
    network = UNetModel(**full, device="meta", operations=comfy.ops.disable_weight_init)
    found = pack("nodes.host.anyms.unet").cross_attentions(network)
    assert [*found][:3] == [("input", 4, 0), ("input", 4, 1), ("input", 5, 0)]
    assert [*found][24] == ("output", 0, 0) and [*found][-1] == ("middle", 0, 9)
    widths = [layer.heads * layer.dim_head for layer in found.values()]
    assert widths == [640] * 4 + [1280] * 20 + [1280] * 30 + [640] * 6 + [1280] * 10


@pytest.mark.parametrize(
    "options, says",
    [
        (
            {"boxes": None},
            "boxes holds no boxes and 3 subjects are connected: subject_1, subject_2, subject_3",
        ),
        (
            {"boxes": [BOXES[:1]]},
            "boxes holds 1 box and 3 subjects are connected: subject_2, subject_3 would",
        ),
        ({"boxes": [BOXES * 2]}, "Box 4 of boxes belongs to subject_4, and only"),
        ({"boxes": [[*BOXES[:2], {"x": 1}]]}, "Box 3 of boxes is {'x': 1}; a box is"),
        ({"canvas_width": 20, "canvas_height": 104}, "Box 2 of boxes: the box at x 30, .* covers nothing"),
        ({"priorities": "1, 2"}, "priorities is '1, 2'; it is one number for each subject .3 here., such as"),
        ({"priorities": "a, b, c"}, "priorities is 'a, b, c'"),
        ({"priorities": "1, 2, inf"}, "priorities is '1, 2, inf'"),
        ({"subject_17": 1}, "subject_17 cannot be used"),
        ({"start_percent": 0.6, "end_percent": 0.4}, "window is empty: it goes from 0.6 to 0.4 of the steps"),
    ],
)
def test_bad_input(adapter, lay, options, says):
    with pytest.raises(ValueError, match=says):
        lay(adapter(BASE, narrow.LAYERS), **options)


def test_a_box_outside_the_picture(adapter, lay, draw):
    outside = [*BOXES[:2], {"x": 80, "y": 0, "width": 20, "height": 20}]
    with pytest.raises(ValueError, match="boxes: the box at x 80, .* covers nothing of the 72 × 104 canvas"):
        draw(lay(adapter(BASE, narrow.LAYERS), boxes=[outside]))


def test_a_region_beside_the_box(adapter, lay, draw, subjects):
    mask = torch.zeros(1, 64, 64)
    mask[:, 16:32, 8:24] = 1
    some = adapter(BASE, narrow.LAYERS)
    inside = subjects(1, region=mask)
    small = [{"x": 9, "y": 26, "width": 18, "height": 26}]  # the mask's own place
    whole = [{"x": 0, "y": 0, "width": 72, "height": 104}]
    near = [draw(lay(some, subjects_=s, boxes=[b])) for s, b in ((inside, whole), (subjects(1), small))]
    assert apart(near[0], draw(lay(some, subjects_=subjects(1), boxes=[whole]))) > 0.01
    with pytest.raises(ValueError, match="The box and the region of the subject 'thing 1' have nothing"):
        draw(lay(some, subjects_=inside, boxes=[[{"x": 40, "y": 80, "width": 20, "height": 20}]]))


@pytest.mark.parametrize("kind, wide", ((BASE, {"projected": 40}), (PLUS, {"width": 32})))
def test_another_vision_encoder(call, adapter, model, subjects, tmp_path, kind, wide):
    with pytest.raises(ValueError, match="clip_vision gives .* of a picture, and this.safetensors .SDXL IP-"):
        call(
            "AnymsLayout",
            model=model,
            adapter=adapter(kind, narrow.LAYERS),
            clip_vision=narrow.vision(tmp_path, **wide),
            subjects=subjects(),
            boxes=[BOXES],
        )


def test_adapters_of_another_base(adapter, lay, flux):
    with pytest.raises(
        ValueError, match="17 attention layers of widths 64, 128.* Choose an adapter for this"
    ):
        lay(adapter(BASE, [64] * 16))
    with pytest.raises(ValueError, match="is an SDXL IP-Adapter, and model is of FLUX.1. Connect a model of"):
        lay(adapter(BASE, narrow.LAYERS), on=flux)
    with pytest.raises(ValueError, match="is an InstantX FLUX IP-Adapter, and model is of SDXL"):
        lay(adapter("InstantX FLUX IP-Adapter", narrow.LAYERS))


def test_the_preview_shows_who_lies_on_top(call, adapter, lay, picture, model):
    canvas = {"canvas_width": SIZE[1], "canvas_height": SIZE[0]}
    image = picture(5 * SIZE[0], 5 * SIZE[1])
    some = adapter(BASE, narrow.LAYERS)
    shown = call("AnymsLayoutPreview", model=lay(some, **canvas), image=image)[0]
    assert shown.shape == image.shape
    free = torch.equal(shown[:, 502:, :20], (image[:, 502:, :20] * 255).round() / 255)  # in no box
    assert free and not torch.equal(shown[:, :340], image[:, :340])
    under = call("AnymsLayoutPreview", model=lay(some, priorities="0, 1, -1", **canvas), image=image)[0]
    changed = (shown != under).any(-1)[0].nonzero()
    assert len(changed) > 2000  # within the third box alone
    assert changed.min(0).values.tolist() >= [150, 100] and changed.max(0).values.tolist() <= [250, 200]
    with pytest.raises(ValueError, match="model has no layout: it did not go through"):
        call("AnymsLayoutPreview", model=model, image=image)
