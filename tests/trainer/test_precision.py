"""Half precision only where the processor has arithmetic for it."""

import pytest
import torch
from torch.utils.benchmark import Timer

from training.network.batch import Encoded, collate, to_device
from training.run import precision
from training.run.precision import bf16_pays, precision_of

BASE = torch.nn.Linear(2, 2)


@pytest.mark.parametrize("pays", (True, False))
def test_a_processor_without_bf16_computes_in_32_bits_and_says_so(monkeypatch, capsys, pays):
    monkeypatch.setattr(precision, "bf16_pays", lambda device: pays)
    assert precision_of({"precision": "bf16", "cpu": True}, BASE) == ("bf16" if pays else "no")
    assert ("no arithmetic for bf16" in capsys.readouterr().out) is not pays
    assert precision_of({"precision": "no", "cpu": True}, BASE) == "no"
    assert not capsys.readouterr().out


def test_a_base_that_is_kept_in_bf16_computes_in_it(monkeypatch, capsys):
    monkeypatch.setattr(precision, "bf16_pays", lambda device: False)
    small = torch.nn.Linear(2, 2, dtype=torch.bfloat16)
    assert precision_of({"precision": "bf16", "cpu": True}, small) == "bf16"
    assert not capsys.readouterr().out


def test_words_that_are_kept_in_bf16_fit_weights_of_32_bits():
    """As an encoder on a GPU gives them, with precision: no."""
    words = torch.ones(3, 8, dtype=torch.bfloat16)
    one = Encoded(
        torch.zeros(4, 64), (2, 2), words, words[0], (torch.zeros(4, 64),), ((2, 2),), (words,), ((0,),)
    )
    batch = to_device(collate([one]), torch.device("cpu"))
    (condition,) = batch.conditions
    assert {t.dtype for t in (batch.text, batch.pooled, condition.text, condition.image)} == {torch.float32}


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
