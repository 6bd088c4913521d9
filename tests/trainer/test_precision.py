"""Half precision only where the processor has arithmetic for it."""

import pytest
import torch
from torch.utils.benchmark import Timer

from training.run import precision
from training.run.precision import bf16_pays, precision_of


@pytest.mark.parametrize("pays", (True, False))
def test_a_processor_without_bf16_computes_in_32_bits_and_says_so(monkeypatch, capsys, pays):
    monkeypatch.setattr(precision, "bf16_pays", lambda device: pays)
    assert precision_of({"precision": "bf16", "cpu": True}) == ("bf16" if pays else "no")
    assert ("no arithmetic for bf16" in capsys.readouterr().out) is not pays
    assert precision_of({"precision": "no", "cpu": True}) == "no"
    assert not capsys.readouterr().out


def test_a_gpu_computes_what_the_config_says():
    assert bf16_pays(torch.device("cuda"))


def test_a_processor_is_asked_itself():
    """What pays is fast: a product in bf16 takes no ten times as long as one in 32 bits."""
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.ones(512, 512, dtype=dtype)
        a @ a
        timer = Timer("a @ a", globals={"a": a})
        seconds[dtype] = timer.blocked_autorange(min_run_time=0.3).median
    assert bf16_pays(torch.device("cpu")) == (seconds[torch.bfloat16] < 10 * seconds[torch.float32])
