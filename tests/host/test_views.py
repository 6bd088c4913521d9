"""Several views of a subject, several phrases, and regions."""

import pytest
import torch

PROMPT = "a dog and a robot on the beach, it waves"


@pytest.fixture
def plan(condition):
    return lambda conditioning: conditioning[0][1]["model_conds"]["musar"].cond


@pytest.fixture
def many(call, clip, vae):
    """many([{…}, {…}]): a conditioning of subjects with these inputs."""

    def make(subjects, **options):
        wired = {f"subject_{k}": call("MusarSubject", **s)[0] for k, s in enumerate(subjects, 1)}
        return call(
            "MusarConditioning",
            clip=clip,
            vae=vae,
            prompt=PROMPT,
            subjects=wired,
            reference_size=64,
            **options,
        )[0]

    return make


@pytest.fixture
def views(picture):
    return torch.cat([picture(64, 48, seed=k) for k in range(3)])


def test_views_lie_where_the_host_puts_as_many_references(many, views, picture, flux, route, sample):
    """Routed nowhere, three views and another subject are the host's own four references."""
    conditioning = many(
        [{"image": views, "phrase": "dog"}, {"image": picture(32, 64, seed=5), "phrase": "robot"}],
        positions="index",
    )
    ours = sample(route(flux, static=False, dynamic=False), conditioning)
    context, values = conditioning[0]
    native = {k: v for k, v in values.items() if k != "model_conds"} | {"reference_latents_method": "index"}
    assert len(native["reference_latents"]) == 4
    assert torch.equal(ours, sample(flux, [[context, native]]))


def test_every_view_counts(many, views, picture, flux, route, sample):
    def draw(shown):
        return sample(route(flux), many([{"image": shown, "phrase": "dog"}]), steps=1)

    before = draw(views)
    for k in range(3):
        changed = views.clone()
        changed[k] = picture(64, 48, seed=20)[0]
        assert not torch.equal(before, draw(changed))


def test_phrases_that_the_prompt_has_all_call(many, picture, plan):
    found = plan(many([{"image": picture(), "phrase": "robot | it | the machine"}])).subjects[0]
    alone = plan(many([{"image": picture(), "phrase": "robot"}])).subjects[0]
    it = plan(many([{"image": picture(), "phrase": "it"}])).subjects[0]
    assert found.name == "robot" and set(found.phrase) == {*alone.phrase, *it.phrase}


def test_none_of_the_phrases(many, picture):
    with pytest.raises(ValueError, match="subject_1: The phrase 'cat' is needed in the prompt"):
        many([{"image": picture(), "phrase": "cat | kitten"}])


def test_a_region_binds_owners(many, picture, flux, route, sample, owners):
    region = torch.zeros(1, 12, 10)  # of any size: it lies over the whole picture
    region[:, 4:8, 2:6] = 1
    subjects = [
        {"image": picture(), "phrase": "dog", "region": region},
        {"image": picture(seed=1), "phrase": "robot"},
    ]
    sample(route(flux), many(subjects), size=(96, 80))
    inside = torch.zeros(6, 5, dtype=torch.bool)
    inside[2:4, 1:3] = True
    seen = torch.stack(owners.seen) == 0
    assert not seen[..., ~inside.flatten()].any() and seen.any()


def test_a_box_and_a_region_are_both_meant(many, picture, flux, route, sample, owners):
    region = torch.ones(1, 96, 80)
    region[:, 48:] = 0
    box = {"x": 0, "y": 0, "width": 32, "height": 96}
    sample(route(flux), many([{"image": picture(), "phrase": "dog", "region": region}], boxes=box))
    inside = torch.zeros(6, 5, dtype=torch.bool)
    inside[:3, :2] = True
    assert all((owner == 0).flatten().tolist() == inside.flatten().tolist() for owner in owners.seen)
    apart = many([{"image": picture(), "phrase": "dog", "region": 1 - region}], boxes={**box, "height": 40})
    with pytest.raises(ValueError, match="box and the region of the subject 'dog' have nothing in common"):
        sample(route(flux), apart)


def test_a_region_needs_dynamic_routing(many, picture, flux, route, sample):
    region = torch.ones(1, 8, 8)
    with pytest.raises(ValueError, match="Boxes, regions and strengths.*Turn dynamic on"):
        conditioning = many([{"image": picture(), "phrase": "dog", "region": region}])
        sample(route(flux, dynamic=False), conditioning)
