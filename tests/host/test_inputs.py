"""Bad input: each a sentence, or a defined result."""

import pytest
import torch

PROMPT = "a dog and a robot on the beach"


@pytest.fixture
def subject(call, picture):
    def make(image=None, **inputs):
        return call(
            "MusarSubject", image=picture() if image is None else image, **{"phrase": "dog", **inputs}
        )[0]

    return make


@pytest.mark.parametrize("strength", (-0.1, 1.5, float("nan")))
def test_strength_outside(subject, strength):
    with pytest.raises(ValueError, match="strength is .*goes from 0"):
        subject(strength=strength)


def test_no_words_at_all(subject):
    with pytest.raises(ValueError, match="phrase and prompt are both empty"):
        subject(phrase=" ", prompt="")


def test_tiny_image(subject, picture):
    with pytest.raises(ValueError, match="1 × 1 pixels; a reference needs at least 16"):
        subject(picture(1, 1))


def test_more_views_than_anybody_wants(subject):
    with pytest.raises(ValueError, match="holds 17 pictures; a subject takes from 1 to 16"):
        subject(torch.rand(17, 64, 64, 3))


def test_masks_of_several_views(subject):
    views, half = torch.rand(3, 64, 64, 3), torch.zeros(1, 64, 64)
    half[:, :32] = 1
    for_all = subject(views, mask=half).image
    assert torch.equal(for_all[:, :32], views[:, :32]) and (for_all[:, 32:] == 1).all()
    each = subject(views, mask=torch.cat([half, 1 - half, half])).image
    assert (each[1, :32] == 1).all() and torch.equal(each[1, 32:], views[1, 32:])
    with pytest.raises(ValueError, match="mask holds 2 masks and image 3 pictures"):
        subject(views, mask=half.repeat(2, 1, 1))
    with pytest.raises(ValueError, match=r"leave nothing of image \(picture 2\)"):
        subject(views, mask=torch.cat([half, 0 * half, half]))


@pytest.mark.parametrize(
    "region, says",
    (
        (torch.zeros(1, 64, 64), "region is black all over"),
        (torch.rand(3, 64, 64), "region holds 3 masks; a subject has one"),
        (torch.full((1, 8, 8), float("nan")), "region holds values that are not numbers"),
    ),
)
def test_regions(subject, region, says):
    with pytest.raises(ValueError, match=says):
        subject(region=region)


def test_several_phrases(subject):
    assert subject(phrase="robot | it |the machine").phrases == ("robot", "it", "the machine")
    assert subject(phrase=" | ", prompt="a|b").phrases == ("a|b",)


def test_image_that_is_not_numbers(subject):
    with pytest.raises(ValueError, match="not numbers"):
        subject(torch.full((1, 64, 64, 3), float("nan")))


def test_alpha_cuts_the_subject_out(subject, picture):
    image = picture(64, 64, channels=4)
    image[..., 3] = 0
    image[:, :32, :, 3] = 1
    cut = subject(image).image
    assert cut.shape[-1] == 3
    assert torch.equal(cut[:, :32], image[:, :32, :, :3]) and (cut[:, 32:] == 1).all()


def test_grey_image(subject, picture):
    assert subject(picture(64, 64, channels=1)).image.shape == (1, 64, 64, 3)


def test_mask_of_another_size_and_of_nothing(subject, picture):
    mask = torch.zeros(1, 32, 32)
    mask[:, :, :16] = 1
    cut = subject(picture(64, 64), mask=mask).image
    assert torch.equal(cut[:, :, :30], picture(64, 64)[:, :, :30]) and (cut[:, :, 34:] == 1).all()
    with pytest.raises(ValueError, match="mask and transparency leave nothing of image"):
        subject(mask=torch.zeros(1, 64, 64))


@pytest.mark.parametrize(
    "size, expected", (((100, 50), (64, 32)), ((30, 300), (16, 64)), ((640, 630), (64, 64)))
)
def test_references_keep_their_shape(pack, picture, size, expected):
    fit = pack("nodes.host.images").fit_reference(picture(*size), 64, 16)
    assert fit.shape == (1, *expected, 3) and 0 <= fit.min() and fit.max() <= 1


def test_no_clip_or_the_wrong_one(call, vae, clip):
    with pytest.raises(ValueError, match="clip is empty"):
        call("MusarConditioning", clip=None, vae=vae, prompt=PROMPT, subjects={})

    class Sdxl:
        def tokenize(self, text):
            return {"l": clip.tokenize(text)["l"], "g": []}

    with pytest.raises(ValueError, match="no T5, Qwen3 or Mistral tokens, only g, l"):
        call("MusarConditioning", clip=Sdxl(), vae=vae, prompt=PROMPT, subjects={})


def test_a_clip_of_type_sd3(call, clip, vae, subject):
    """Its tokens are T5's too, but CLIP-L's vectors stand in front of T."""

    class Sd3:
        def __getattr__(self, name):
            return getattr(clip, name)

        def encode_from_tokens_scheduled(self, tokens, **options):
            (entry,) = clip.encode_from_tokens_scheduled(tokens, **options)
            front = entry[0].new_zeros(1, 77, entry[0].shape[-1])
            return [[torch.cat([front, entry[0]], 1), entry[1]]]

    with pytest.raises(ValueError, match="77 vectors of CLIP-L in front of T5's, .* FLUX.1 needs"):
        call("MusarConditioning", clip=Sd3(), vae=vae, prompt=PROMPT, subjects={"subject_1": subject()})


def test_the_wrong_vae(call, clip, subject):
    class Vae:
        def __init__(self, value, channels):
            self.latent = torch.full((1, channels, 8, 8), value)

        def encode(self, image):
            return self.latent

    def run(vae):
        return call("MusarConditioning", clip=clip, vae=vae, prompt=PROMPT, subjects={"subject_1": subject()})

    with pytest.raises(ValueError, match="latents of 4 channels"):
        run(Vae(0.0, 4))
    with pytest.raises(ValueError, match="reference of subject_1 into values that are not numbers"):
        run(Vae(float("nan"), 16))


def test_no_subjects_are_the_prompt_alone(condition):
    assert "model_conds" not in condition(PROMPT)[0][1]


def test_sixteen_subjects(flux, route, condition, sample):
    names = "dog cat fish bird hat car tree house star ball robot cup lamp boat ring key".split()
    conditioning = condition(", ".join(names), *names, reference_size=64)
    assert torch.isfinite(sample(route(flux), conditioning, steps=1)).all()


def test_seventeen_subjects(call, clip, vae, subject):
    surplus = {"subjects.subject_17": subject()}
    with pytest.raises(ValueError, match="subjects.subject_17 cannot be used.*16 at most"):
        call("MusarConditioning", clip=clip, vae=vae, prompt=PROMPT, subjects={}, **surplus)


LEFT = {"x": 0, "y": 0, "width": 32, "height": 64}


@pytest.mark.parametrize(
    "boxes, says",
    (
        ([[LEFT] * 3], "Box 3 of boxes belongs to subject_3, and only subject_1, subject_2 is connected"),
        ({**LEFT, "x": float("nan")}, "Box 1 of boxes is 32 × 64 pixels at nan"),
        ({**LEFT, "x": 64}, "Box 1 of boxes: .*covers nothing of the 64 × 64 canvas"),
        ([LEFT, {**LEFT, "y": -64}], "Box 2 of boxes: .*covers nothing"),
        ({**LEFT, "width": 0}, "Box 1 of boxes is 0 × 64 pixels.*Draw it anew"),
        ({"x": 1, "y": 2}, "Box 1 of boxes is .*a box is"),
        (["left half"], "Box 1 of boxes is 'left half'"),
    ),
)
def test_boxes(condition, boxes, says):
    with pytest.raises(ValueError, match=says):
        condition(PROMPT, "dog", "robot", boxes=boxes, canvas_width=64, canvas_height=64)


def test_a_box_outside_the_picture_is_said_when_the_picture_is_known(flux, route, sample, condition):
    far = condition(PROMPT, "dog", "robot", boxes={**LEFT, "x": 500})
    with pytest.raises(ValueError, match="boxes: the box at x 500.*80 × 96 canvas"):
        sample(route(flux), far)


def test_a_box_smaller_than_a_token_owns_one(flux, route, sample, condition, owners):
    speck = {"x": 33, "y": 17, "width": 2, "height": 2}
    sample(route(flux), condition(PROMPT, "dog", boxes=speck), size=(96, 80))
    for owner in owners.seen:
        (place,) = (owner[0] == 0).nonzero().flatten().tolist()
        assert divmod(place, 80 // 16) == (17 // 16, 33 // 16)


def test_an_empty_window(route, flux):
    with pytest.raises(ValueError, match="window is empty"):
        route(flux, start_percent=0.6, end_percent=0.5)
    with pytest.raises(ValueError, match="from block 5 to 4"):
        route(flux, start_block=5, end_block=4)
