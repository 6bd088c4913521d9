"""What a client of the API is told of files in models/ipadapter."""

import pytest
import torch
from safetensors.torch import save_file

from tools.comfy_server import Refused

LINEAR = {"proj.weight": (4 * 8, 6), "proj.bias": (32,), "norm.weight": (8,), "norm.bias": (8,)}
STATE = {f"image_proj.{key}": torch.ones(shape) for key, shape in LINEAR.items()} | {
    f"ip_adapter.{n}.to_{part}_ip.weight": torch.ones(16, 8) for n in (1, 3) for part in "kv"
}


@pytest.fixture
def load(server):
    """load("some.bin"): the server's answer to a prompt that loads it."""
    folder = server.base / "models" / "ipadapter"
    folder.mkdir(exist_ok=True)
    save_file(STATE, folder / "ip-adapter.safetensors")
    torch.save(STATE, folder / "ip-adapter.bin")
    (folder / "README.md").write_text("no adapter")

    def run(name):
        return server.run(
            {
                "1": {"class_type": "AnymsAdapterLoader", "inputs": {"adapter": name, "siglip": "none"}},
                "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
            }
        )

    return run


def test_an_adapter_is_loaded(load):
    ((text,),) = [output["text"] for output in load("ip-adapter.safetensors").outputs.values()]
    assert "SDXL IP-Adapter" in text


@pytest.mark.parametrize(
    "name, says",
    [
        ("ip-adapter.bin", "is a pickle.*this command: python -c"),
        ("README.md", "adapter.*not in"),
        ("none.safetensors", "adapter.*not in"),
    ],
)
def test_what_is_no_adapter(load, name, says):
    with pytest.raises(Refused, match=f"(?s){says}"):
        load(name)
