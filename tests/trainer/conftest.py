"""The trainer without a host: data sets are made here."""

import os

import pytest
import torch

from .made import write_shard

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))


@pytest.fixture
def shards(tmp_path):
    """Writes a data set: shards(rows, rows, …) -> its folder."""

    def write(*files, **settings):
        for i, rows in enumerate(files):
            write_shard(tmp_path / "shards" / "data" / f"train-{i}.parquet", rows, **settings)
        return tmp_path / "shards"

    return write
