"""Masks of other nodes, spread from T and X over the whole sequence."""

import pytest
import torch


@pytest.fixture
def layout(pack):
    core = pack("musar_attention")
    subjects = (core.SubjectTokens((2, 3), (1,), 4), core.SubjectTokens((1, 2), (3,)))
    return core.TokenLayout(5, (3, 4), subjects, 2)


@pytest.mark.parametrize("dtype", (torch.float16, torch.float32, torch.bool))
@pytest.mark.parametrize("shape", ((), (2,), (2, 3)))
def test_extended(pack, layout, shape, dtype):
    known = layout.prompt + layout.target_length
    mask = torch.randn(*shape, known, known)
    mask = mask > 0 if dtype == torch.bool else mask.to(dtype)
    out = pack("nodes.host.masks").extend_mask(mask, layout)
    expected = mask
    if dtype == torch.bool:
        expected = torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))
    if len(shape) == 1:
        expected = expected[:, None]  # a head each
    t, x = layout.T, layout.X
    assert torch.equal(out[..., t, t], expected[..., :5, :5])
    assert torch.equal(out[..., t, x], expected[..., :5, 5:])
    assert torch.equal(out[..., x, t], expected[..., 5:, :5])
    assert torch.equal(out[..., x, x], expected[..., 5:, 5:])
    for part in (layout.CT(0), layout.CI(0), layout.CI(1), layout.extra_slice):
        assert (out[..., part, :] == 0).all() and (out[..., part] == 0).all()


def test_another_size(pack, layout):
    with pytest.raises(ValueError, match="mask of 9 × 9 tokens, and prompt and picture have 17"):
        pack("nodes.host.masks").extend_mask(torch.zeros(9, 9), layout)
