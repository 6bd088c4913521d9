"""A run of the trainer: the loss falls, a kill changes nothing, two processes are one."""

import json
import os
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sprites.text_encoder import text_weights
from studies.base_model.flux import new_flux
from tools.comfy_server import ROOT
from training.export import export
from training.run.buckets import Buckets
from training.run.trainer import Trainer
from training.train import LORA, read_config, train

RANKS = {"subject": 32, "noise": 32}  # bitsandbytes keeps small ones in 32 bits
SMALL = {"seed": 1, "hidden": 128, "double_blocks": 1, "single_blocks": 1}


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A random base and a text encoder."""
    folder = tmp_path_factory.mktemp("models")
    flux = new_flux(SMALL)
    g = torch.Generator().manual_seed(0)
    for value in flux.state_dict().values():  # so that nothing of it is zero
        value.add_(0.02 * torch.randn(value.shape, generator=g))
    save_file(flux.state_dict(), folder / "base.safetensors")
    save_file(text_weights(1), folder / "sprites_text.safetensors")
    return folder


@pytest.fixture
def config(models):
    return read_config(ROOT / "training" / "configs" / "sprites.yaml", []) | {
        "base": str(models / "base.safetensors"),
        "encoder": {"kind": "sprites", "models": str(models)},
        "data": {"kind": "sprites", "rows": 50, "seed": 1},
        "variant": {"static": True, "dynamic": True, "ranks": {"subject": 8, "noise": 2}},
        "stages": [{"steps": 3, "mix": {"single": 1}}, {"steps": 4, "mix": {"random": 0.5, "same": 0.5}}],
        "batch": 2,
        "precision": "no",
        "compile": False,
        "save_every": 2,
        "warmup": 2,
        "log": False,
        "validation": None,
    }


def losses_of(config, folder, until=None):
    losses = []

    def each_step(trainer, loss):
        losses.append(loss)
        if trainer.step == until:
            raise Killed

    train(config, folder, each_step)
    return losses


def test_a_killed_run_goes_on_exactly(config, tmp_path):
    whole = losses_of(config, tmp_path / "whole")
    assert len(whole) == 7 and len(set(whole)) == 7
    with pytest.raises(Killed):
        losses_of(config, tmp_path / "killed", until=5)
    rest = losses_of(config, tmp_path / "killed")
    assert rest == whole[4:], "after a kill at step 5 the checkpoint of step 4 goes on"
    a, b = (load_file(tmp_path / name / LORA) for name in ("whole", "killed"))
    assert a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def test_gradients_that_are_not_finite_teach_nothing(config, tmp_path, monkeypatch, capfd):
    whole, loss_of = {}, Trainer.loss_of

    def broken(trainer, numbers):
        loss = loss_of(trainer, numbers)
        return loss * float("nan") if trainer.step in (2, 4) else loss

    def each_step(trainer, loss):
        whole[trainer.step] = {n: t.clone() for n, t in trainer.lora.state_dict().items()}

    monkeypatch.setattr(Trainer, "loss_of", broken)
    train(config, tmp_path / "run", each_step)
    for step, same in ((2, False), (3, True), (4, False), (5, True), (6, False)):
        before, after = whole[step - 1], whole[step]
        assert all(torch.equal(before[n], after[n]) for n in after) is same
    assert all(t.isfinite().all() for t in load_file(tmp_path / "run" / LORA).values())
    assert "Step 3 is passed over: its gradients are not finite." in capfd.readouterr().out


def test_a_run_that_learns_nothing_any_more_ends(config, tmp_path, monkeypatch):
    monkeypatch.setattr("training.run.trainer.LOST", 3)
    loss_of = Trainer.loss_of

    def broken(trainer, numbers):
        return loss_of(trainer, numbers) * (float("nan") if trainer.step >= 2 else 1)

    monkeypatch.setattr(Trainer, "loss_of", broken)
    with pytest.raises(ValueError, match="gradients of 3 steps in a row, up to step 5, are not finite"):
        train(config | {"save_every": 100}, tmp_path / "run")
    assert not (tmp_path / "run" / LORA).exists()


def test_one_example_a_step_costs_no_shape():
    buckets = Buckets(lambda number: 1 / 0, 1)
    assert [buckets.batch() for _ in range(3)] == [[0], [1], [2]]
    again = Buckets(lambda number: 1 / 0, 1)
    again.load(buckets.state())
    assert again.batch() == [3]


@pytest.mark.parametrize("optimizer", ["adamw8bit", "prodigy"])
def test_other_optimizers_go_on_exactly(config, tmp_path, optimizer):
    """Prodigy keeps the rate that it found beside its tensors; bitsandbytes wraps them, and counts steps."""
    config |= {"optimizer": optimizer, "learning_rate": None, "variant": config["variant"] | {"ranks": RANKS}}
    whole = losses_of(config, tmp_path / "whole")
    with pytest.raises(Killed):
        losses_of(config, tmp_path / "killed", until=5)
    assert losses_of(config, tmp_path / "killed") == whole[4:]
    a, b = (load_file(tmp_path / name / LORA) for name in ("whole", "killed"))
    assert all(torch.equal(a[n], b[n]) for n in a)


def test_the_lora_of_a_run_that_is_not_finished(config, tmp_path):
    with pytest.raises(Killed):
        losses_of(config, tmp_path, until=5)
    (file,) = export(tmp_path / "checkpoint.safetensors", tmp_path / "so far")
    assert file.name == "dual_lora_step_000004.safetensors"
    short = config | {"stages": [config["stages"][0], config["stages"][1] | {"steps": 1}]}
    losses_of(short, tmp_path / "short")  # to step 4
    with safe_open(file, "pt") as a, safe_open(tmp_path / "short" / LORA, "pt") as b:
        assert a.keys() == b.keys() and all(torch.equal(a.get_tensor(n), b.get_tensor(n)) for n in a.keys())
        assert a.metadata() | {"minutes": ""} == b.metadata() | {"minutes": ""}


def test_a_stage_leaves_its_lora(config, tmp_path):
    """As a run would that ends there, and the last stage's is the result."""
    losses_of(config, tmp_path)
    assert [f.name for f in sorted(tmp_path.glob("dual_lora*"))] == [LORA, "dual_lora_stage_1.safetensors"]
    short = config | {"stages": [config["stages"][0]], "cooldown": 0.0}
    losses_of(config | {"cooldown": 0.0}, tmp_path / "whole")
    losses_of(short, tmp_path / "short")
    with safe_open(tmp_path / "whole" / "dual_lora_stage_1.safetensors", "pt") as a:
        with safe_open(tmp_path / "short" / LORA, "pt") as b:
            assert all(torch.equal(a.get_tensor(n), b.get_tensor(n)) for n in b.keys())


def test_a_run_begins_with_a_lora(config, tmp_path):
    """With a rate of almost nothing it stays what it began with, and that is not nothing."""
    losses_of(config | {"learning_rate": 1e-2}, tmp_path / "first")
    first = tmp_path / "first" / LORA
    second = losses_of(config | {"learning_rate": 1e-12, "start": str(first)}, tmp_path / "second")
    a, b = load_file(first), load_file(tmp_path / "second" / LORA)
    assert all(torch.equal(a[n], b[n]) for n in a) and any(
        a[n].any() for n in a if n.endswith("lora_B.weight")
    )
    assert second != losses_of(config | {"learning_rate": 1e-12}, tmp_path / "nothing")
    for start, says in (("gone.safetensors", "no such file"), (first, "does not fit this base and variant")):
        with pytest.raises(ValueError, match=says):
            wide = config["variant"] | {"ranks": {"subject": 4, "noise": 2}}
            losses_of(config | {"start": str(start), "variant": wide}, tmp_path / "no")


def test_checkpointing_changes_nothing(config, tmp_path):
    """Blocks that run again in the backward pass are routed as before, and have their LoRA."""
    for name in ("kept", "again"):
        losses_of(config | {"checkpointing": name == "again"}, tmp_path / name)
    kept, again = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("kept", "again"))
    learned = [key for key in kept if key.startswith("lora|")]
    assert learned and all(torch.allclose(kept[key], again[key], atol=1e-5) for key in learned)


def test_looking_does_not_change_the_run(config, tmp_path):
    plain = losses_of(config, tmp_path / "plain")
    prompts = ROOT / "training" / "configs" / "sprites_prompts.yaml"
    validation = {"every": 3, "prompts": str(prompts), "steps": 2, "cfg": 2.0, "guidance": 3.5}
    watched = losses_of(config | {"validation": validation, "log": True}, tmp_path / "watched")
    assert watched == plain
    sheets = sorted(file.name for file in (tmp_path / "watched" / "validation").iterdir())
    assert sheets == ["step_000003.png", "step_000006.png", "step_000007.png"]
    assert any((tmp_path / "watched" / "log").iterdir())


def test_two_processes_are_one_with_the_same_batch(config, tmp_path):
    """Over gloo, by the command; one process takes both halves of a step in turn. `sharded` has the base
    spread over both, as FSDP does."""
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for name, processes, *changes in (
        ("one", 1, "accumulation=2"),
        ("two", 2, "accumulation=1"),
        ("sharded", 2, "accumulation=1", "shard=true"),
    ):
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
        command += ["--standalone", "-m", "training.train", "--config", str(file)]
        command += ["--output", str(tmp_path / name)]
        command += [word for change in changes for word in ("--set", change)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{name}: {done.stderr[-9000:]}"
    one, *others = (
        load_file(tmp_path / name / "checkpoint.safetensors") for name in ("one", "two", "sharded")
    )
    for key in (k for k in one if k.startswith("lora|")):
        for other in others:
            assert torch.allclose(one[key], other[key], atol=1e-5), key


def test_what_the_file_says(config, tmp_path):
    trainer = train(config, tmp_path)
    assert isinstance(trainer, Trainer) and trainer.step == 7
    with safe_open(tmp_path / LORA, "pt") as file:
        facts, keys = file.metadata(), list(file.keys())
    assert facts == {
        "musar_format": "1",
        "subject_rank": "8",
        "noise_rank": "2",
        "base_model": "base.safetensors",
        "step": "7",
        "minutes": facts["minutes"],
        "musar_trained": facts["musar_trained"],
    }
    assert json.loads(facts["musar_trained"]) == {
        "static": True,
        "dynamic": True,
        "accumulate": True,
        "evidence": "raw",
        "owners_by": "phrase",
        "positions": "diagonal",
        "places": 0,
        "guidance": config["wiring"]["guidance"],
        "condition_prompts": config["condition_prompts"],
        "data": config["data"]["kind"],
    }
    assert {k.split(".")[0] for k in keys} == {"subject", "noise"}
    assert not any("add_k_proj" in k for k in keys if k.startswith("noise")), "noise has no text stream"


@pytest.mark.parametrize(
    "change, sentence",
    [
        ("base=nowhere", "base is nowhere, and there is no such file or folder"),
        ("encoder.kind=clip", "encoder.kind is flux, klein, sprites or sprites_flux2; found 'clip'"),
        ("variant.ranks={middle: 3}", "ranks names the branches subject, noise, or all"),
    ],
)
def test_bad_settings_are_sentences(config, tmp_path, change, sentence):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError) as error:
        train(read_config(file, [change]), tmp_path)
    assert sentence in str(error.value)


def test_the_shipped_configs_have_the_same_settings():
    flux, sprites = (
        read_config(ROOT / "training" / "configs" / f"{n}.yaml", []) for n in ("flux_dev", "sprites")
    )
    assert flux.keys() == sprites.keys()
    for part in ("variant", "wiring", "time", "drop"):
        assert flux[part].keys() == sprites[part].keys(), part
    assert [stage["steps"] for stage in flux["stages"]] == [20000, 10000, 10000], "the paper's"


def test_a_number_with_an_exponent_is_one(tmp_path):
    """By YAML 1.1 it is a word."""
    file = tmp_path / "config.yaml"
    file.write_text("learning_rate: 1e-4\nclip: 1E+2\nweight_decay: 0.5\nseed: 7\nbase: 1e-4b")
    read = read_config(file, ["weight_decay=2.5e-3"])
    assert read == {"learning_rate": 1e-4, "clip": 100.0, "weight_decay": 2.5e-3, "seed": 7, "base": "1e-4b"}


def test_settings_that_are_not_there(tmp_path):
    with pytest.raises(ValueError, match="config is .*, and there is no such file"):
        read_config(tmp_path / "none.yaml", [])
    with pytest.raises(ValueError, match="the config has no time.men. Write KEY=VALUE"):
        read_config(ROOT / "training" / "configs" / "sprites.yaml", ["time.men=1"])
