"""One description a family: the conditioning's and the model's must be the same one."""

from dataclasses import replace

import pytest


def test_blocks_are_counted_through(flux, pack):
    family = pack("nodes.host.families").FLUX1
    first, count = family.first_blocks(flux.model.diffusion_model)
    assert first == {"double": 0, "single": 2} and count == 5


def test_a_token_is_sixteen_pixels_and_odd_sides_are_padded(pack):
    families = pack("nodes.host.families")
    assert families.FLUX1.token == families.SMALLEST_TOKEN == 16
    assert families.FLUX1.tokens_of(7, 8) == (4, 4)


def test_conditioning_of_another_family(flux, route, condition, sample, pack, monkeypatch):
    families = pack("nodes.host.families")
    other = replace(families.FLUX1, name="FLUX.9")
    positive = condition("a dog", "dog")
    monkeypatch.setattr(families, "FAMILIES", (other,))
    with pytest.raises(ValueError, match="encoded for FLUX.1, and the model is FLUX.9"):
        sample(route(flux), positive)
