"""Image adapters: the kind read off the keys, and a sentence for each file that cannot be used."""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from tools.tiny_adapters import SMALL, TRUE, adapter_shapes, adapter_weights, head_weights

KINDS = sorted(SMALL)
LAYERS = {"SDXL IP-Adapter": 70, "SDXL IP-Adapter plus": 70, "InstantX FLUX IP-Adapter": 57}


@pytest.fixture
def read(pack, tmp_path):
    """read(state): the adapter, through a file as the node reads it."""
    module = pack("nodes.host.anyms.adapter_files")

    def run(state, head=True):
        save_file(state, tmp_path / "some.safetensors")
        save_file(head_weights() if head else {"other": torch.ones(1)}, tmp_path / "sig.safetensors")
        return module.read_adapter(tmp_path / "some.safetensors", tmp_path / "sig.safetensors")

    return run


@pytest.mark.parametrize("name", KINDS)
def test_the_kind_is_read_off_the_keys(read, name):
    state = adapter_weights(name, [16, 16, 32])
    adapter = read(state)
    assert adapter.kind.name == name and [layer.width for layer in adapter.layers] == [16, 16, 32]
    assert adapter.sees == SMALL[name]["sees"] and (adapter.head is not None) == ("InstantX" in name)
    last = [value for key, value in state.items() if "to_v_ip" in key or "v_proj.weight" in key][-1]
    assert torch.equal(adapter.layers[-1].v.weight, last)
    assert (adapter.layers[0].k.bias is not None) == ("XLabs" in name)


@pytest.mark.parametrize("name", KINDS)
def test_true_shapes_by_their_keys(pack, name):
    shapes = adapter_shapes(name, [64] * LAYERS.get(name, 19), TRUE[name])
    kind = pack("nodes.host.anyms.kinds").kind_of(shapes, "some.safetensors")
    assert kind.name == name and set(kind.needs) <= {k.removeprefix(kind.projection) for k in shapes}


def test_the_order_of_layers_is_by_number_and_not_by_name(read):
    widths = [16 * (1 + n) for n in range(12)]
    for name in KINDS:
        assert [layer.width for layer in read(adapter_weights(name, widths)).layers] == widths


@pytest.mark.parametrize("nested", (True, False))
@pytest.mark.parametrize("zipped", (True, False))
def test_a_pickle_is_refused_with_the_command_that_converts_it(pack, tmp_path, nested, zipped):
    module = pack("nodes.host.anyms.adapter_files")
    state = adapter_weights("SDXL IP-Adapter", [16, 32])
    whole = {"image_proj": {}, "ip_adapter": {}}
    for key, value in state.items():
        first, rest = key.split(".", 1)
        whole[first][rest] = value
    file = tmp_path / "ip-adapter.bin"
    torch.save(whole if nested else state, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="ip-adapter.bin is a pickle, which can run code") as refused:
        module.read_adapter(tmp_path / "ip-adapter.bin")
    command = str(refused.value).split("this command: ")[1]
    assert command.startswith("python -c ") and ("mmap=True" in command) is zipped
    here = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    subprocess.run(command, shell=True, cwd=tmp_path, check=True, env=os.environ | {"PATH": here})
    adapter = module.read_adapter(tmp_path / "ip-adapter.safetensors")
    assert torch.equal(adapter.layers[1].k.weight, state["ip_adapter.3.to_k_ip.weight"])


def without(state, *parts):
    return {key: value for key, value in state.items() if not any(part in key for part in parts)}


@pytest.mark.parametrize(
    "state, says",
    [
        ({"a.weight": torch.ones(1)}, "holds no image adapter of a kind known here .* look like a.weight"),
        ({"ip_adapter.1.to_k_ip.weight": torch.ones(2, 2)}, "holds no image adapter"),
        ({"image_proj.proj.3.weight": torch.ones(2)}, "is a full-face adapter"),
        ({"ip_adapter.1.to_q_lora.down.weight": torch.ones(2, 2)}, "is a FaceID adapter"),
        ({"transformer.x.lora_A.weight": torch.ones(2, 2)}, "is a LoRA, and no image adapter"),
        ({"vision_model.a": torch.ones(2)}, "is a vision encoder, which belongs in Load CLIP Vision"),
        (without(adapter_weights(KINDS[0], [8] * 3), ".1.to_v_ip"), "it has no ip_adapter.1.to_v_ip.weight"),
        (without(adapter_weights(KINDS[1], [8] * 3), ".3.to_"), "of the 2 layers in it only the first 1"),
        (without(adapter_weights(KINDS[1], [8] * 3), "norm.bias"), "it has no image_proj.norm.bias"),
        (
            without(adapter_weights(KINDS[2], [8]), "layers.2.0.to_kv"),
            "it has no image_proj.layers.2.0.to_kv",
        ),
        (
            adapter_weights(KINDS[2], [8]) | {"image_proj.proj_in.weight": torch.ones(8, 512)},
            "is an InstantID or FaceID adapter, which reads what a recogniser of faces gives",
        ),
        (
            adapter_weights(KINDS[1], [8]) | {"ip_adapter.1.to_v_ip.weight": torch.ones(8, 5)},
            r"is broken: its image tokens are 32 wide, .* values by \[8, 32\] and \[8, 5\]",
        ),
    ],
)
def test_files_that_cannot_be_used(read, state, says):
    with pytest.raises(ValueError, match=says) as refused:
        read(state)
    assert str(refused.value).startswith("some.safetensors ") and str(refused.value).endswith(".")


def test_instantx_needs_siglips_own_head(pack, read, tmp_path):
    state = adapter_weights("InstantX FLUX IP-Adapter", [8])
    with pytest.raises(ValueError, match="sig.safetensors has no pooling head .* Choose in siglip"):
        read(state, head=False)
    with pytest.raises(ValueError, match="some.safetensors reads what SigLIP's pooling head sees"):
        pack("nodes.host.anyms.adapter_files").read_adapter(tmp_path / "some.safetensors")
