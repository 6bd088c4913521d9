"""The trainer without a host: data sets are made here."""

import os

import pytest
import torch

from tools.tiny_training import WRITERS, write_pairs
from tools.tiny_training import tiny_config as made_config

from .made import write_shard

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A folder with models in diffusers' format, and pairs to train on."""
    folder = tmp_path_factory.mktemp("tiny")
    for name, write in WRITERS.items():
        write(folder / name)
    write_pairs(folder / "pairs")
    return folder


@pytest.fixture(params=["flux"])
def tiny_config(tiny, request):
    """For that folder: two stages of two steps. A test that is for klein too names both."""
    config = made_config(tiny, request.param)
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
