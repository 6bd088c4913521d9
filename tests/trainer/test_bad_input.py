"""Whatever is wrong with a run: a sentence before it begins, and nothing lost."""

import resource
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors.torch import save_file

from tools.comfy_server import ROOT
from training.config import FORM, check_config, read_config
from training.network.base import load_base
from training.run.checkpoint import load_checkpoint, same_run
from training.run.folder import lock
from training.train import main, train

SHIPPED = ("flux_dev", "flux2_klein_4b", "sprites")
BAD = [
    ("base", 3, "a path"),
    ("encoder", "flux", "settings with a kind"),
    ("encoder.ahead", -1, "a whole number from 0"),
    ("encoder.cache", 7, "a folder, or null"),
    ("data", None, "settings with a kind"),
    ("pixels.target", 8, "pixels from 16 to 4096, or null"),
    ("pixels.reference", "large", "pixels from 16 to 4096, or null"),
    ("seed", -1, "a whole number from 0"),
    ("variant", [1], "settings: static, dynamic, accumulate, rule, owners_by, ranks"),
    ("variant.static", "on", "true or false"),
    ("variant.dynamic", 1, "true or false"),
    ("variant.accumulate", None, "true or false"),
    ("variant.ranks", {"subject": -4}, "whole numbers from 0 by branch"),
    ("wiring.positions", "somewhere", "one of diagonal, column, index"),
    ("wiring.guidance", float("nan"), "a number from 0"),
    ("wiring.dense", "no", "true or false"),
    ("wiring.exact_times", None, "true or false"),
    ("stages", [], "a list of steps and mixes"),
    ("batch", 0, "a whole number from 1"),
    ("start", 5, "the path of a dual LoRA, or null"),
    ("accumulation", 1.5, "a whole number from 1"),
    ("optimizer", "sgd", "one of adamw, adamw8bit, prodigy"),
    ("learning_rate", -1e-4, "a number above 0 to 10, or null"),
    ("weight_decay", -1, "a number from 0"),
    ("warmup", -5, "a whole number from 0"),
    ("cooldown", 2, "a number from 0 to 1"),
    ("clip", 0, "a number above 0"),
    ("ema", 1.0, "a number from 0, below 1"),
    ("time.mean", "high", "a number"),
    ("time.std", -1, "a number from 0"),
    ("time.shift", "automatic", "auto, a number, or null"),
    ("drop.text", 5, "a number from 0 to 1"),
    ("drop.reference", -0.1, "a number from 0 to 1"),
    ("condition_prompts", "yes", "true or false"),
    ("another_in_phrase", 1, "true or false"),
    ("precision", "fp16", "one of no, bf16"),
    ("cpu", 0, "true or false"),
    ("shard", "all", "true or false"),
    ("checkpointing", 1, "true or false"),
    ("quantise", "int2", "one of int8, nf4, or null"),
    ("compile", "max", "true or false"),
    ("save_every", 0, "a whole number from 1"),
    ("log", "tensorboard", "true or false"),
    ("validation", 5, "settings: every, prompts, steps, cfg, guidance"),
]


def shipped(name):
    return read_config(ROOT / "training" / "configs" / f"{name}.yaml", [])


def changed(config, key, value):
    *path, last = key.split(".")
    part = config
    for name in path:
        part = part[name]
    part[last] = value
    return config


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_configs_are_good(name):
    check_config(shipped(name))


def test_every_setting_is_tried():
    assert {key.split(".")[0] for key, *_ in BAD} == set(FORM)


@pytest.mark.parametrize("key, value, words", BAD, ids=[key for key, *_ in BAD])
def test_a_setting_out_of_range_is_a_sentence(key, value, words):
    with pytest.raises(ValueError) as error:
        check_config(changed(shipped("flux_dev"), key, value))
    assert f"{key} is {value!r}. It must be {words}" in str(error.value)


@pytest.mark.parametrize(
    "key, value, sentence",
    [
        ("bacth", 2, "bacth is no setting: there are base, encoder"),
        ("time.men", 0.5, "time.men is no setting: there are mean, std, shift"),
        ("stages", [{"steps": 0, "mix": {"single": 1}}], "stage 1: steps is 0. It must be a whole number"),
        ("stages", [{"steps": 5}], "The config has no stage 1: mix"),
        ("stages", ["single"], "stage 1 is 'single'. Write it as {steps: 1000, mix: {single: 1.0}}"),
    ],
)
def test_what_is_not_known_is_a_sentence(key, value, sentence):
    with pytest.raises(ValueError) as error:
        check_config(changed(shipped("flux_dev"), key, value))
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    "key, old", [("pixels", "null"), ("time.shift", "null"), ("wiring.exact_times", "false")]
)
def test_a_config_of_the_previous_version_says_what_keeps_it(key, old):
    config = shipped("sprites")
    *path, last = key.split(".")
    del (config[path[0]] if path else config)[last]
    with pytest.raises(ValueError) as error:
        check_config(config)
    assert f"The config has no {key}. Add it, as training/configs/flux_dev.yaml has it; {old}" in str(
        error.value
    )


def test_prodigy_with_adams_rate_is_a_sentence():
    config = shipped("flux_dev") | {"optimizer": "prodigy", "learning_rate": 1e-4}
    with pytest.raises(ValueError, match="and prodigy finds the rate itself.* Set learning_rate: null"):
        check_config(config)
    check_config(config | {"learning_rate": None})


@pytest.mark.parametrize("text, sentence", [("a: [", "is not YAML"), ("- 1", "holds .1.. Write settings")])
def test_a_file_that_is_no_config(tmp_path, text, sentence):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_config(tmp_path / "config.yaml", [])


def losses_of(config, folder, each_step=lambda trainer: None):
    losses = []

    def step(trainer, loss):
        losses.append(loss)
        each_step(trainer)

    train(config, folder, step)
    return losses


@pytest.mark.parametrize("tiny_config", ["klein"], indirect=True)
def test_a_killed_run_of_klein_goes_on_exactly(tiny_config, tmp_path):
    whole = losses_of(tiny_config, tmp_path / "whole")

    def kill(trainer):
        if trainer.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        losses_of(tiny_config, tmp_path / "killed", kill)
    assert losses_of(tiny_config, tmp_path / "killed") == whole[2:]


def test_a_full_disk_loses_nothing(tiny_config, tmp_path):
    """No file may grow beyond a limit, from before the second checkpoint on: a write fails halfway."""
    whole = losses_of(tiny_config, tmp_path / "whole")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(trainer):
        if trainer.step == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))

    folder = tmp_path / "full"
    try:
        with pytest.raises(ValueError) as error:
            losses_of(tiny_config, folder, fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "checkpoint.safetensors could not be written" in str(error.value)
    assert "Make room, and start again with the same command: it goes on from there" in str(error.value)
    assert load_checkpoint(folder / "checkpoint.safetensors")[1]["step"] == 2, "the old one survives"
    assert not list(folder.glob("*.part")), "nothing half written is left"
    assert losses_of(tiny_config, folder) == whole[2:]


@pytest.mark.parametrize("name", ["x.weight_scale", "scaled_fp8", "x.comfy_quant"])
def test_a_base_in_scaled_fp8_is_a_sentence(tmp_path, name):
    file = tmp_path / "fp8.safetensors"
    save_file({"context_embedder.weight": torch.zeros(2, 2), name: torch.ones(1)}, file)
    with pytest.raises(ValueError, match="in few bits with scales .*, and training needs the whole ones"):
        load_base(file)


def test_two_runs_in_one_folder(tiny_config, tmp_path):
    held = lock(tmp_path)
    with pytest.raises(ValueError, match="Another run is training in .* Give this one another --output"):
        train(tiny_config, tmp_path)
    held.release()
    assert len(losses_of(tiny_config, tmp_path)) == 4, "the folder is free again"


def test_a_run_that_died_gives_its_folder_back(tmp_path):
    code = "import os, pathlib, sys; from training.run.folder import lock; "
    code += "held = lock(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    assert done.returncode == -9
    lock(tmp_path).release()


def test_a_checkpoint_of_other_settings_is_not_taken_up(tiny_config, tmp_path):
    train(tiny_config, tmp_path)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    for change in (
        {"batch": 2},
        {"seed": 5},
        {"variant": tiny_config["variant"] | {"ranks": {"subject": 8}}},
    ):
        (name,) = change
        with pytest.raises(
            ValueError, match=f"is of a run with {name}: .* now {name} is .* another --output"
        ):
            train(tiny_config | change, tmp_path)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    train(tiny_config | {"log": True, "save_every": 1}, tmp_path)


@pytest.mark.parametrize(
    "name",
    "base quantise data pixels seed variant wiring batch optimizer time drop condition_prompts".split(),
)
def test_what_decides_about_a_run(tmp_path, name):
    with pytest.raises(ValueError, match=f"is of a run with {name}: one"):
        same_run(tmp_path, {name: "one"}, {name: "other"})


def test_a_checkpoint_from_before_a_setting_is_of_a_run_with_it_off(tiny_config, tmp_path):
    then = {name: value for name, value in tiny_config.items() if name != "another_in_phrase"}
    same_run(tmp_path, then, tiny_config | {"another_in_phrase": False})
    with pytest.raises(ValueError, match="is of a run with another_in_phrase: None, and now"):
        same_run(tmp_path, then, tiny_config | {"another_in_phrase": True})


def test_a_checkpoint_that_is_cut_off_is_a_sentence(tiny_config, tmp_path):
    train(tiny_config, tmp_path)
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ValueError, match="is cut off or no checkpoint .* move it away to begin anew"):
        train(tiny_config, tmp_path)


@pytest.fixture
def command(tiny_config, tmp_path, monkeypatch):
    """command(*more) -> the folder; the training command, here."""
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(tiny_config))

    def run(*more):
        line = ["train", "--config", str(file), "--output", str(tmp_path / "out"), *more]
        monkeypatch.setattr(sys, "argv", line)
        main()

    return run


def test_an_interrupted_run_says_how_to_go_on(command, monkeypatch):
    from training.run.trainer import Trainer

    whole, at = Trainer.one_step, [0]

    def one_step(self):
        if self.step == at[0]:
            raise KeyboardInterrupt
        return whole(self)

    monkeypatch.setattr(Trainer, "one_step", one_step)
    with pytest.raises(SystemExit, match="No checkpoint was written yet: the same command begins anew"):
        command()
    at[0] = 3
    with pytest.raises(SystemExit, match="checkpoint.safetensors is of step 2: the same command goes on"):
        command()


def test_too_little_memory_is_a_sentence_with_what_to_do(command, monkeypatch):
    from training.run.trainer import Trainer

    monkeypatch.setattr(Trainer, "one_step", lambda self: torch.empty(1 << 50))
    with pytest.raises(SystemExit) as error:
        command()
    knobs = ("checkpointing", "encoder.ahead", "quantise", "batch", "optimizer", "shard", "pixels")
    knobs += ("variant.ranks",)
    places = [str(error.value).index(f"--set {knob}") for knob in knobs]
    assert places == sorted(places) and "begins anew" in str(error.value)
    monkeypatch.setattr(Trainer, "one_step", lambda self: torch.empty(2, 3) @ torch.empty(2, 3))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        command()


OFTEN = (
    "1: 2 times one of the data's 6 single subjects: each about 0.3",
    "2: 2 times one of the data's 2 dip",
)
EXPECTED = ("6 rows", "Stage 2, 2 steps", "'Two images concatenated", "begins anew", "GB of disk", *OFTEN)


@pytest.mark.parametrize("tiny_config", ["flux", "klein"], indirect=True)
def test_a_dry_run_begins_nothing(command, tmp_path, capsys):
    command("--dry-run")
    said = capsys.readouterr().out
    for words in EXPECTED:
        assert words in said
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit, match="batch is 0. It must be a whole number from 1"):
        command("--dry-run", "--set", "batch=0")
