"""The trainer without a host: data sets are made here."""

import os

import pytest
import torch

from tools.tiny_training import tiny_config as made_config
from tools.tiny_training import write_flux, write_pairs

from .made import write_shard

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A folder with a FLUX.1 in diffusers' format, and pairs to train on."""
    folder = tmp_path_factory.mktemp("tiny")
    write_flux(folder / "FLUX.1-tiny")
    write_pairs(folder / "pairs")
    return folder


@pytest.fixture
def tiny_config(tiny):
    """Of FLUX.1-dev, for that folder: two stages of two steps."""
    config = made_config(tiny)
    config["encoder"] |= {"cache": None, "ahead": 0}
    return config | {
        "variant": {"static": True, "dynamic": True, "ranks": {"subject": 4, "noise": 2}},
        "stages": [{"steps": 2, "mix": {"single": 1}}, {"steps": 2, "mix": {"same": 1}}],
        "checkpointing": False,
        "save_every": 2,
        "log": False,
    }


@pytest.fixture
def shards(tmp_path):
    """Writes a data set: shards(rows, rows, …) -> its folder."""

    def write(*files, **settings):
        for i, rows in enumerate(files):
            write_shard(tmp_path / "shards" / "data" / f"train-{i}.parquet", rows, **settings)
        return tmp_path / "shards"

    return write
