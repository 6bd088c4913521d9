"""A real ComfyUI in this process, with the pack loaded the way the host loads it."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.tiny import flux_weights

from .branches import layers, stream
from .making import conditions, loader, sampler

ROOT = Path(__file__).resolve().parents[2]


def pytest_configure(config):
    if not os.environ.get("COMFYUI_PATH"):
        pytest.exit("COMFYUI_PATH is not set: run `make test-host`, which fetches ComfyUI.", 2)
    from tools.comfy_host import use_comfy

    use_comfy()
    import torch

    torch.set_grad_enabled(False)
    config.addinivalue_line("markers", "since(version): of ComfyUI; on an older one there is nothing to test")


def pytest_collection_modifyitems(config, items):
    from comfyui_version import __version__

    def newer(item):
        return any(numbers(m.args[0]) > numbers(__version__) for m in item.iter_markers("since"))

    def numbers(version):
        return tuple(map(int, version.split(".")))

    config.hook.pytest_deselected(items=[item for item in items if newer(item)])
    items[:] = [item for item in items if not newer(item)]


@pytest.fixture(scope="session")
def nodes():
    """The host's node classes by id, after it loaded our pack and the demo's companion."""
    import nodes

    async def load():
        await nodes.init_builtin_extra_nodes()
        for pack in (ROOT, ROOT / "sprites" / "comfy_pack"):
            if not await nodes.load_custom_node(str(pack)):
                pytest.exit(f"The host could not load {pack}; its log says why.", 1)

    asyncio.run(load())
    return nodes.NODE_CLASS_MAPPINGS


@pytest.fixture(autouse=True)
def nothing_let_go():
    """The host holds no model whose patcher went with an earlier test: while it does, it collects garbage
    before everything it loads, and the fixtures' models outlive many patchers."""
    from comfy.model_management import current_loaded_models as held

    held[:] = [one for one in held if one.model is not None]


@pytest.fixture(scope="session")
def pack(nodes):
    """pack("nodes.host.plan") is that module in the copy of the pack that the host runs."""
    name = nodes["MusarRouting"].__module__.removesuffix(".nodes.routing")
    return lambda path: importlib.import_module(f"{name}.{path}")


@pytest.fixture(scope="session")
def call(nodes):
    """call("VAELoader", vae_name=…) runs a node of the host or of ours and gives its outputs."""

    def run(node_id, **inputs):
        node = nodes[node_id]
        if hasattr(node, "define_schema"):
            clone = node.PREPARE_CLASS_CLONE({"hidden_inputs": {}})
            return clone.execute(**inputs).args
        return getattr(node(), node.FUNCTION)(**inputs)

    return run


@pytest.fixture(scope="session")
def files(tmp_path_factory, nodes):
    """A models folder of the host: files.diffusion_models / "x.safetensors" is found by loaders."""
    import folder_paths

    base = tmp_path_factory.mktemp("models")
    folders = {}
    for kind in (
        "diffusion_models",
        "vae",
        "text_encoders",
        "loras",
        "embeddings",
        "controlnet",
        "ipadapter",
        "clip_vision",
        "vae_approx",
    ):
        folders[kind] = base / kind
        folders[kind].mkdir()
        folder_paths.add_model_folder_path(kind, str(folders[kind]), is_default=True)
    return SimpleNamespace(**folders)


@pytest.fixture(scope="session")
def load_flux(call, files):
    """load_flux(hidden=256, depth=2, …): a tiny random FLUX through the stock loader."""
    return loader(call, files, flux_weights, "flux")


@pytest.fixture(scope="session")
def flux(load_flux):
    return load_flux()


@pytest.fixture(scope="session")
def vae(call, files):
    from safetensors.torch import save_file

    from tools.tiny import vae_weights

    save_file(vae_weights(), files.vae / "tiny.safetensors")
    return call("VAELoader", vae_name="tiny.safetensors")[0]


@pytest.fixture(scope="session")
def clip(call, files):
    from safetensors.torch import save_file

    from tools.tiny import text_weights

    save_file(text_weights(), files.text_encoders / "tiny.safetensors")
    return call("MusarDemoTextEncoder", text_encoder="tiny.safetensors")[0]


@pytest.fixture(scope="session")
def picture():
    """picture(height, width, seed): a random IMAGE."""
    import torch

    def make(height=64, width=64, seed=0, channels=3):
        g = torch.Generator().manual_seed(seed)
        return torch.rand(1, height, width, channels, generator=g)

    return make


@pytest.fixture(scope="session")
def condition(call, clip, vae, picture):
    """condition("a dog and a robot", "dog", "robot"): a conditioning with a subject a phrase."""
    return conditions(call, clip, vae, picture)


@pytest.fixture(scope="session")
def route(call):
    """route(model, static=…, dynamic=…): the model behind MUSAR Routing."""
    return lambda model, static=True, dynamic=True, **o: call(
        "MusarRouting", model=model, static=static, dynamic=dynamic, **o
    )[0]


@pytest.fixture(scope="session")
def sample(call, condition):
    """sample(model, positive): the latents of the stock KSampler."""
    return sampler(call, condition, channels=16, cell=8)


@pytest.fixture
def owners(pack, monkeypatch):
    """owners.seen: the owners of every layer, in order; owners.replay(list) hands them out again."""
    module = pack("nodes.host.routed_call")
    original, state = module.assign, SimpleNamespace(seen=[])

    def record(affinity, allowed=None):
        state.seen.append(original(affinity, allowed))
        return state.seen[-1]

    def replay(recorded):
        left = iter(recorded)
        monkeypatch.setattr(module, "assign", lambda affinity, allowed=None: next(left))

    state.replay = replay
    monkeypatch.setattr(module, "assign", record)
    return state


@pytest.fixture
def dense(pack, monkeypatch):
    """dense(): from now on routes are one call under the −inf mask, on the host's own backend."""
    import torch

    core, module = pack("musar_attention"), pack("nodes.host.routed_call")

    def attention(q, k, v, layout, owner, static, attend, mask, strength, silent):
        if isinstance(owner, int):
            owner = torch.full((len(q), layout.target_length), owner)
        allowed = core.routing_mask(layout, owner, static, silent)[:, None]
        bias = torch.zeros(allowed.shape, dtype=q.dtype).masked_fill_(~allowed, float("-inf"))
        return attend(q, k, v, bias if mask is None else bias + mask)

    return lambda: monkeypatch.setattr(module, "routed_attention", attention)


@pytest.fixture
def lora(files, call):
    """lora(model, subject, noise=None, …): MUSAR Dual LoRA with these weights as files."""
    from safetensors.torch import save_file

    counter = itertools.count()

    def put(model, subject, noise=None, **options):
        names = []
        for state in (subject, noise):
            if state is not None:
                names.append(f"branch-{next(counter)}.safetensors")
                save_file(state, files.loras / names[-1])
        return call(
            "MusarDualLora", model=model, subject_lora=names[0], noise_lora=(names + ["none"])[1], **options
        )[0]

    return put


@pytest.fixture
def by_hand(flux, pack):
    """by_hand(changes): multiplies each token range by its own merged weight while it lasts.

    `changes(name)` gives the change of a layer's weight for the subject branch and the noise branch.
    With `stored` weights that only the host can read, the change is multiplied alone and added.
    """
    from torch.nn import functional as F

    now, handles = pack("nodes.host.layout_now").layout_now, []

    def install(changes, model=flux, stored=False):
        for name in layers():
            layer = model.model.diffusion_model.get_submodule(name)
            kind, change = stream(name), changes(name)

            def forward(module, inputs, output, kind=kind, changes=change):
                (x,), layout = inputs, now()
                first = layout.X.start if kind == "image" else 0
                own = [p for i in range(layout.count) for p in (layout.CT(i), layout.CI(i))]
                for parts, change in zip((own, [layout.X]), changes):
                    for part in parts:
                        part = slice(part.start - first, part.stop - first)
                        if change is None or part.start < 0 or part.stop > x.shape[1]:
                            continue  # of the other stream
                        if stored:
                            output[:, part] += F.linear(x[:, part], change)
                        else:
                            output[:, part] = F.linear(x[:, part], module.weight + change, module.bias)

            handles.append(layer.register_forward_hook(forward))

    yield install
    for handle in handles:
        handle.remove()


@pytest.fixture(scope="session")
def adapter(call, files):
    """adapter("SDXL IP-Adapter", widths): a small random image adapter through the pack's loader."""
    from safetensors.torch import save_file

    from tools.tiny_adapters import adapter_weights, head_weights

    def load(kind, layers, seed=0):
        save_file(adapter_weights(kind, layers, seed=seed), files.ipadapter / "this.safetensors")
        save_file(head_weights(), files.clip_vision / "siglip.safetensors")
        siglip = "siglip.safetensors" if "InstantX" in kind else "none"
        return call("AnymsAdapterLoader", adapter="this.safetensors", siglip=siglip)[0]

    return load


@pytest.fixture(scope="session")
def subjects(call, picture):
    """subjects(3, strength=(1.0, 0.5, 1.0)): as they come to a node's socket."""

    def make(count=3, **options):
        each = {k: v if isinstance(v, tuple) else (v,) * count for k, v in options.items()}
        return {
            f"subject_{k + 1}": call(
                "MusarSubject",
                image=picture(40 + 8 * k, 56, seed=k),
                phrase=f"thing {k + 1}",
                **{name: values[k] for name, values in each.items()},
            )[0]
            for k in range(count)
        }

    return make


@pytest.fixture
def compiled():
    """As the node does it, but without a C++ compiler: the tracing is what could go wrong."""
    import torch
    from comfy_api.torch_helpers import set_torch_compile_wrapper
    from comfy_extras.nodes_torch_compile import skip_torch_compile_dict

    def run(model):
        clone = model.clone(disable_dynamic=True)
        options = {"guard_filter_fn": skip_torch_compile_dict}
        set_torch_compile_wrapper(model=clone, backend="eager", options=options)
        return clone

    yield run
    torch._dynamo.reset()
