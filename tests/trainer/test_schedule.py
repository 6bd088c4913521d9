"""How large a step is, what of it is kept, and what is written in the end."""

import pytest
import torch
from safetensors.torch import load_file

from training.run.schedule import rate_scale
from training.run.trainer import Trainer
from training.train import train


def test_up_flat_and_down():
    told = {"warmup": 4, "cooldown": 0.5, "steps": 8}
    assert [rate_scale(s, told) for s in range(8)] == [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25]
    assert {rate_scale(s, told | {"warmup": 0, "cooldown": 0}) for s in range(8)} == {1}


def test_steps_have_that_rate_and_gradients_are_clipped(tiny_config, tmp_path, monkeypatch):
    seen, learn = [], Trainer._learn

    def watched(self, finite):
        gradients = [p.grad.flatten() for p in self.learned if p.grad is not None]
        seen.append((self.optimizer.param_groups[0]["lr"], float(torch.cat(gradients).norm())))
        learn(self, finite)

    monkeypatch.setattr(Trainer, "_learn", watched)
    changes = {"learning_rate": 1e-3, "warmup": 4, "cooldown": 0.0, "clip": 1e-4}
    train(tiny_config | changes, tmp_path)
    assert [rate for rate, _ in seen] == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-3])
    assert all(0 < norm <= 1.001e-4 for _, norm in seen)


def test_the_average_of_the_weights_is_kept(tiny_config, tmp_path, monkeypatch):
    average, one_step = {}, Trainer.one_step

    def watched(self):
        if not average:
            average.update({n: t.clone() for n, t in self.lora.state_dict().items()})
        loss = one_step(self)
        keep = min(0.5, self.step / (self.step + 9))  # less at the beginning
        for n, t in self.lora.state_dict().items():
            average[n] = keep * average[n] + (1 - keep) * t
        return loss

    monkeypatch.setattr(Trainer, "one_step", watched)
    train(tiny_config | {"ema": 0.5, "learning_rate": 1e-2, "warmup": 0}, tmp_path)
    kept = load_file(tmp_path / "checkpoint.safetensors")
    for name, right in average.items():
        torch.testing.assert_close(kept[f"average|{name}"], right, rtol=0, atol=1e-6)
    assert any((kept[f"average|{n}"] - kept[f"lora|{n}"]).abs().max() > 1e-5 for n in average)
