"""Half precision: the dtype stays, and results stay near float32 on the same rounded numbers.

The bounds are what rounding to the dtype may do, u = eps / 2 being its largest relative error:
each attention weight p is rounded once, and so is the result: u · Σ p|v| + u · |Σ p v| in all.
Scores and sums are float32.
"""

import pytest
import torch

from musar_attention import SubjectTokens, TokenLayout, affinity, routed_attention

from .cases import PAIR, PAIR_OWNER, random_qkv

HALVES = [torch.bfloat16, torch.float16]
# More keys than PAIR has, so that errors have something to add up from.
WIDE = TokenLayout(
    prompt=64,
    target=(16, 16),
    subjects=tuple(SubjectTokens((8, 8), tuple(range(i, i + 3)), text=i) for i in range(1, 5)),
    extra=16,
)
WIDE_OWNER = torch.arange(WIDE.target_length)[None] % 5 - 1


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32, torch.float64])
@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("owner", [None, PAIR_OWNER])
def test_dtype_stays(dtype, static, owner):
    q, k, v = random_qkv(0, PAIR, dtype=dtype)
    assert routed_attention(q, k, v, PAIR, owner, static).dtype == dtype
    assert affinity(q, k, PAIR).dtype == torch.float32


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("owner", [None, WIDE_OWNER])
def test_routed_attention_is_near_float32(dtype, static, owner):
    q, k, v = (t.to(dtype) for t in random_qkv(1, WIDE, heads=4, depth=64))
    out = routed_attention(q, k, v, WIDE, owner, static)
    exact = routed_attention(q.float(), k.float(), v.float(), WIDE, owner, static)
    size = routed_attention(q.float(), k.float(), v.float().abs(), WIDE, owner, static)  # Σ p|v|
    assert ((out.float() - exact).abs() <= torch.finfo(dtype).eps / 2 * (size + exact.abs())).all()


@pytest.mark.parametrize("dtype", HALVES)
def test_affinity_is_near_float32(dtype):
    """All terms are positive, so the bound is eps of the affinity itself.

    Weights below the smallest normal number are rounded to steps of the smallest subnormal.
    """
    q, k, _ = (t.to(dtype) for t in random_qkv(2, WIDE, heads=4, depth=64))
    exact = affinity(q.float(), k.float(), WIDE)
    info = torch.finfo(dtype)
    bound = info.eps * exact + info.smallest_normal * info.eps
    assert ((affinity(q, k, WIDE) - exact).abs() <= bound).all()
