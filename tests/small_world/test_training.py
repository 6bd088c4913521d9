"""Training of the demo's models: it goes on after a kill as if there had been none."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from safetensors.torch import load_file

from studies.base_model.__main__ import SETTINGS, read_settings
from studies.base_model.deepen import spread
from studies.base_model.flux import new_flux, train_flux, velocity
from studies.base_model.flux_data import batch, latents_of
from studies.base_model.vae import train_vae
from tools.comfy_server import ROOT
from training.network.batch import pack, unpack
from training.run.checkpoint import load_checkpoint, save_checkpoint


class Killed(BaseException):
    pass


@pytest.fixture
def settings():
    small = read_settings(smoke=True)
    for part in ("vae", "flux"):
        small[part] |= {"steps": 8, "save_every": 3, "batch": 2}
    return small


@pytest.mark.parametrize("model", ["vae", "flux"])
def test_a_killed_run_goes_on_exactly(settings, encode, tmp_path, monkeypatch, model):
    def train(file):
        if model == "vae":
            return train_vae(settings["vae"], file)
        return train_flux(settings["flux"], encode, file, compiled=False)

    whole = train(tmp_path / "whole.safetensors")

    import studies.base_model.loop as loop

    step = loop.Run.one_step

    def until_five(self, losses_of):
        if self.step == 5:
            raise Killed
        return step(self, losses_of)

    monkeypatch.setattr(loop.Run, "one_step", until_five)
    with pytest.raises(Killed):
        train(tmp_path / "killed.safetensors")
    monkeypatch.undo()
    assert load_checkpoint(tmp_path / "killed.safetensors")[1]["step"] == 3
    resumed = train(tmp_path / "killed.safetensors")

    assert resumed.step == whole.step == 8
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
        assert torch.equal(whole.average[name], resumed.average[name]), name


def test_a_process_killed_for_real_leaves_a_checkpoint_that_goes_on(tmp_path):
    program = (
        "import sys, time, pathlib, torch\n"
        "from training.run.checkpoint import save_checkpoint\n"
        "file, n = pathlib.Path(sys.argv[1]), 0\n"
        "while True:\n"
        "    n += 1\n"
        "    save_checkpoint(file, {'n': torch.full((1 << 20,), float(n))}, {'n': n})\n"
    )
    file = tmp_path / "c.safetensors"
    process = subprocess.Popen([sys.executable, "-c", program, str(file)], cwd=ROOT)
    while not file.exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    tensors, facts = load_checkpoint(file)
    assert (tensors["n"] == facts["n"]).all()


def test_a_save_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    file = tmp_path / "c.safetensors"
    save_checkpoint(file, {"a": torch.zeros(2)}, {"step": 1})
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(ValueError, match="could not be written .disk full.: .* Make room"):
        save_checkpoint(file, {"a": torch.ones(2)}, {"step": 2})
    assert load_checkpoint(file)[1] == {"step": 1}


def test_batches_depend_on_their_number_alone(encode):
    settings = yaml.safe_load(SETTINGS.read_text())["flux"] | {"batch": 3}
    for number in (0, 5000, 5001, 5007):
        a, b = (batch(settings, encode, number) for _ in range(2))
        assert torch.equal(a.latent, b.latent) and torch.equal(a.noise, b.noise)
        assert torch.equal(a.context, b.context) and torch.equal(a.time, b.time)
        assert a.latent.shape == (3, a.rows * a.columns, 64) == a.noise.shape
        assert a.parts.shape == (3, a.rows * a.columns)


def test_packing_is_undone():
    latent = latents_of([torch.randint(26, (6, 10)).numpy()])
    assert torch.equal(unpack(pack(latent), 3), latent)


def test_smoke_trains_everything_and_the_losses_fall():
    """The command itself, as CI runs it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "studies.base_model", "--smoke"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("the loss went from") == 2
    folder = ROOT / ".run" / "sprites-smoke"
    for name in ("text", "vae", "flux"):
        assert load_file(folder / f"sprites_{name}.safetensors")


def test_a_deeper_network_begins_as_the_one_it_was_made_from(settings, encode):
    first = batch(settings["flux"], encode, 0)
    whole = yaml.safe_load((ROOT / "studies" / "depth" / "depth.yaml").read_text())["base"]
    shallow = whole | {"double_blocks": 2, "single_blocks": 4}
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):  # as words are encoded while training
        told = [velocity(new_flux(s), first.latent, first.time, first) for s in (shallow, whole)]
    assert whole["single_blocks"] > 4 and torch.allclose(*told, atol=1e-5)
    names = set(load_file(ROOT / whole["start"]))
    moved = spread(load_file(ROOT / whole["start"]), new_flux(whole | {"start": None}).state_dict())
    assert names < moved.keys() and moved["single_transformer_blocks.9.norm.linear.weight"].any()
