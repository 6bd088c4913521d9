"""What is encoded ahead is what would be encoded on the fly; each row once, and each process its own."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from tools.comfy_server import ROOT
from training.data.example import Example, Reference
from training.data.feed import Feed
from training.data.folder import Folder
from training.data.sizes import Sizes
from training.encode import encode, share
from training.encoders import new_encoder, open_encoder
from training.encoders.flux import FluxEncoder
from training.encoders.store import VERSION, Store
from training.encoders.stored import StoredEncoder
from training.network.batch import encode_example, shape_of
from training.run.examples import Examples
from training.run.trainer import Trainer
from training.train import open_feeds, train

CHANGES = ({}, {"drop": {"text": 0.5, "reference": 0.5}}, {"condition_prompts": False})


def losses_of(config, folder):
    losses = []
    train(config, folder, lambda trainer, loss: losses.append(loss))
    return losses


def with_encoder(config, **changes):
    return config | {"encoder": config["encoder"] | changes}


@pytest.mark.parametrize("tiny_config", ["flux", "klein"], indirect=True)
@pytest.mark.parametrize("change", CHANGES, ids=("plain", "dropped", "silent"))
def test_shapes_are_known_without_encoding(tiny_config, change):
    config = tiny_config | change
    examples = Examples(config, open_feeds(config), open_encoder(config["encoder"]))
    found = set()
    for stage in (0, 1):
        for number in range(6):
            shape = examples.shape(stage, number)
            assert shape == examples.encoded(stage, number).shape
            found.add(shape)
    assert len(found) > 1


@pytest.mark.parametrize("phrase", ["piñata", "cat"])
def test_a_letter_that_t5_lacks_is_found(tiny, phrase):
    encoder = FluxEncoder(tiny / "flux")
    picture = np.zeros((64, 64, 3), np.uint8)
    prompt = f"a dog and a {phrase} on a sofa"
    pieces = encoder.pieces(prompt)
    assert ("<unk>" in pieces) == (phrase == "piñata")
    encoded = encode_example(Example(prompt, (Reference(picture, f"a {phrase}", phrase),), picture), encoder)
    said = "".join(pieces[i] for i in encoded.phrases[0])
    assert said.replace("<unk>", "ñ").strip("▁") == phrase


def test_a_long_prompt_has_its_own_shape(tiny):
    encoder = FluxEncoder(tiny / "flux", length=8)
    feed = Feed(Folder(tiny / "pairs"), {"random": 1}, 0, sizes=Sizes(64, 64))
    shape = shape_of(feed[0], encoder)
    assert shape == encode_example(feed[0], encoder).shape and shape[1] > 8


@pytest.mark.parametrize("tiny_config", ["flux", "klein"], indirect=True)
def test_encoded_ahead_trains_the_same(tiny_config, tmp_path, monkeypatch):
    plain = losses_of(tiny_config, tmp_path / "plain")
    freed = []
    monkeypatch.setattr(StoredEncoder, "free", lambda self: freed.append(self.encoder.free()))
    ahead = losses_of(with_encoder(tiny_config, ahead=3), tmp_path / "ahead")
    assert ahead == plain and len(freed) == 2, "steps 0 to 2, then the last"
    assert not list((tmp_path / "ahead" / "ahead").iterdir()), "the disk is as it was"

    cached = with_encoder(tiny_config, cache=str(tmp_path / "cache"), ahead=2)
    encode(cached)
    asked = []
    kind = type(new_encoder(cached["encoder"]))
    for name in ("image", "words"):
        whole = getattr(kind, name)
        monkeypatch.setattr(kind, name, lambda self, x, w=whole: asked.append(x) or w(self, x))
    assert losses_of(cached, tmp_path / "cached") == plain
    assert len(asked) == 2 and all(picture.shape[1] > 64 for picture in asked), "the two diptychs' targets"


def test_a_killed_run_encodes_ahead_again(tiny_config, tmp_path, monkeypatch):
    """Not beside the model, one by one; and to the same losses."""
    plain = losses_of(tiny_config, tmp_path / "plain")
    config = with_encoder(tiny_config, ahead=3) | {"save_every": 2}
    freed, prepared, losses = [], [], []
    monkeypatch.setattr(StoredEncoder, "free", lambda self: freed.append(self.encoder.free()))
    of_step = Trainer.loss_of

    def watched(self, numbers):
        prepared.extend((self.stage, number) in self.ahead.known for number in numbers)
        return of_step(self, numbers)

    monkeypatch.setattr(Trainer, "loss_of", watched)

    def die(trainer, loss):
        if trainer.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "killed", die)
    freed.clear()
    train(config, tmp_path / "killed", lambda trainer, loss: losses.append(loss))
    assert losses == plain[2:] and len(freed) == 1 and prepared and all(prepared)


def test_each_row_is_encoded_once_and_a_stopped_run_goes_on(tiny_config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("training.encode.SHARD", 2)
    config = with_encoder(tiny_config, cache=str(tmp_path / "cache"))
    config["stages"] = [{"steps": 50, "mix": {"single": 0.5, "same": 0.5}}]
    asked = []
    whole = FluxEncoder.image

    def image(self, pixels):
        asked.append(pixels)
        if len(asked) == 2 * 6 + 5:  # after the estimate, in the second shard
            raise KeyboardInterrupt
        return whole(self, pixels)

    monkeypatch.setattr(FluxEncoder, "image", image)
    with pytest.raises(KeyboardInterrupt):
        encode(config)
    files = sorted((tmp_path / "cache").iterdir())
    assert [f.name[:22] for f in files] == ["rows_00000000_00000001"], "whole shards alone"
    monkeypatch.setattr(FluxEncoder, "image", whole)
    encode(config)
    assert "6 rows of" in capsys.readouterr().out
    names = [name for file in (tmp_path / "cache").iterdir() for name in load_file(file)]
    assert len(names) == len(set(names)) == 6 * 2 + 4, "two pictures a row; a cat, another cat, a dog …"
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()}
    encode(config)
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()}


def test_other_sizes_are_encoded_beside(tiny_config, tmp_path, capsys):
    config = with_encoder(tiny_config, cache=str(tmp_path / "cache"))
    encode(config)
    first = {name for file in (tmp_path / "cache").iterdir() for name in load_file(file)}
    smaller = config | {"pixels": config["pixels"] | {"target": 32}}
    encode(smaller)
    assert capsys.readouterr().out.count("5 are left") == 2
    both = {name for file in (tmp_path / "cache").iterdir() for name in load_file(file)}
    assert first < both, "what was there stays"
    words = {name for name in both - first if name.startswith("words/")}
    assert not words, "the same words are not encoded again"
    encode(config)
    assert "5 are encoded" in capsys.readouterr().out


def test_two_processes_share_the_rows(tiny_config, tmp_path):
    config = with_encoder(tiny_config, cache=str(tmp_path / "cache"))
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    command += ["-m", "training.encode", "--config", str(file)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-9000:]
    shards = Store(tmp_path / "cache", FluxEncoder(ROOT.joinpath(config["base"])).fingerprint())
    rows = [row for facts in shards.facts for row in facts["rows"]]
    assert len(shards.facts) == 2 and sorted(rows) == list(range(6)), "each row once"


def test_rows_of_one_subject_go_to_one_process():
    """The two directions of a composite: the same pictures and words."""
    facts = {"subject": lambda self, row: row // 2}
    composites, others = (type("Rows", (), {**facts, "pictures_twice": twice})() for twice in (True, False))
    rows = [0, 1, 2, 3, 5, 8, 9, 10]
    assert [share(rows, composites, rank, 2) for rank in (0, 1)] == [[0, 1, 5, 10], [2, 3, 8, 9]]
    assert [share(rows, others, rank, 2) for rank in (0, 1)] == [rows[::2], rows[1::2]]


def test_a_process_encodes_its_own_share_alone(tiny_config, tmp_path, monkeypatch):
    """The other processes' batches are passed over."""
    from training.run.trainer import Trainer

    trainer = object.__new__(Trainer)
    config = tiny_config | {"accumulation": 3}
    encoder = open_encoder(config["encoder"])
    trainer.config, trainer.examples = config, Examples(config, open_feeds(config), encoder)
    monkeypatch.setattr(FluxEncoder, "_read", lambda self, text: pytest.fail("a shape needs no encoder"))
    monkeypatch.setattr(FluxEncoder, "image", lambda self, pixels: pytest.fail("a shape needs no encoder"))
    shares = []
    for rank in (0, 1):
        trainer.accelerator = type("Two", (), {"num_processes": 2, "process_index": rank})
        shares.append(list(trainer._share(trainer._buckets(0))))
    trainer.accelerator = type("One", (), {"num_processes": 1, "process_index": 0})
    trainer.config = config | {"accumulation": 6}
    one = list(trainer._share(trainer._buckets(0)))
    assert one[::2] == shares[0] and one[1::2] == shares[1]


def test_a_disk_too_small_is_a_sentence(tiny_config, tmp_path, monkeypatch, capsys):
    config = with_encoder(tiny_config, cache=str(tmp_path / "cache"))
    encode(config, dry_run=True)
    assert "5 are left: at most 0.00 GB" in capsys.readouterr().out and not (tmp_path / "cache").exists()
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("training.encode.shutil.disk_usage", lambda place: usage)
    with pytest.raises(ValueError, match="do not fit into the 0.0 GB that are free at .* Set encoder.cache"):
        encode(config)
    with pytest.raises(ValueError, match="encoder.cache is not set: name the folder"):
        encode(tiny_config)


def test_other_shards_are_not_read(tiny_config, tmp_path):
    cache = tmp_path / "cache"
    config = with_encoder(tiny_config, cache=str(cache))
    encode(config)
    (shard,) = cache.iterdir()
    whole = shard.read_bytes()

    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut off or not a safetensors file .* Delete it, and start"):
        train(config, tmp_path / "out")
    shard.write_bytes(whole.replace(f'"version\\": {VERSION}'.encode(), b'"version\\": 1'))
    with pytest.raises(ValueError, match=f"is of version 1 of what .* writes, and this is {VERSION}"):
        train(config, tmp_path / "out")
    shard.write_bytes(whole)
    Store(cache, FluxEncoder(ROOT.joinpath(config["base"])).fingerprint())
    with pytest.raises(ValueError, match="was made by other encoders than those in encoder.models"):
        Store(cache, "another")
    (cache / "words").mkdir()
    with pytest.raises(ValueError, match="was written by an earlier version .words in it."):
        train(config, tmp_path / "out")


def test_what_comes_again_is_remembered_within_bounds(tiny):
    encoder = StoredEncoder(FluxEncoder(tiny / "flux"), memory=5000)
    first = encoder.words("a cat")
    assert encoder.words("a cat") is first
    for words in ("a dog", "a lawn", "a sofa", "the cat", "the dog", "the lawn"):
        encoder.words(words)
    assert encoder.size == sum(t.nbytes for t in encoder.held.values()) <= 5000
    again = encoder.words("a cat")
    assert again is not first and torch.equal(again, first)


def test_the_base_makes_room_and_comes_back():
    """There is no GPU here: another device stands in, and the base is seen to leave it and return."""
    from training.run.trainer import Trainer

    trainer, moves = object.__new__(Trainer), []
    trainer.base = type("Base", (), {"to": lambda self, device: moves.append(str(device))})()
    trainer.accelerator = type("Gpu", (), {"device": torch.device("cuda:1")})
    trainer.sharded = False
    with pytest.raises(KeyboardInterrupt), trainer._base_away():
        assert moves == ["cpu"]
        raise KeyboardInterrupt
    assert moves == ["cpu", "cuda:1"]
    trainer.sharded = True
    with trainer._base_away():
        assert len(moves) == 2, "a sharded base stays where it is"
