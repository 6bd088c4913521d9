"""Sprites without a host, but with the host's tokenizer: a folder of it is read, nothing of it runs."""

import os

import pytest
import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))


def pytest_configure(config):
    if not os.environ.get("COMFYUI_PATH"):
        pytest.exit("COMFYUI_PATH is not set: run `make test-sprites`, which fetches ComfyUI.", 2)


@pytest.fixture(scope="session")
def encode():
    from sprites.text_encoder import TextEncoder, text_weights

    return TextEncoder(text_weights(seed=1))
