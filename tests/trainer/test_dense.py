"""The table of the compiled path is the oracle's mask."""

import pytest
import torch

from musar_attention import SubjectTokens, TokenLayout, routing_mask
from training.network.dense import Dense


@pytest.mark.parametrize("static", (True, False))
@pytest.mark.parametrize("dynamic", (True, False))
@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_oracles(static, dynamic, seed):
    g = torch.Generator().manual_seed(seed)

    def some(low, high):
        return int(torch.randint(low, high, (), generator=g))

    subjects = tuple(SubjectTokens((some(1, 3), some(1, 4)), (), some(0, 3)) for _ in range(seed % 5))
    layout = TokenLayout(some(1, 6), (some(1, 4), some(1, 5)), subjects, extra=some(0, 3))
    owner = None
    if dynamic and subjects:
        owner = torch.randint(-1, layout.count, (3, layout.target_length), generator=g)
    mask = Dense.of(layout, static, dynamic).mask(owner)
    assert torch.equal(mask[:, 0], routing_mask(layout, owner, static))
