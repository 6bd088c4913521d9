"""What a client of the API gets: the nodes, a picture for every shipped prompt, a run it can stop."""

import io
import json
import threading

import pytest
from PIL import Image

from gallery.graphs import every_graph
from gallery.on_tiny import is_flux2
from tools.comfy_server import ROOT, Refused

PROMPTS = sorted(f.stem for f in (ROOT / "workflows" / "api").glob("*.json"))
ANYMS_ALONE = [name for name in PROMPTS if name.startswith("anyms") and not name.endswith("musar")]


def opened(result):
    ((file, *_), *_) = result.images.values()
    return Image.open(io.BytesIO(file))


def test_nodes_are_listed(server):
    listed = server.json("/object_info")
    ours = {n: i for n, i in listed.items() if i["category"] == "MUSAR"}
    assert sorted(ours) == [
        "AnymsAdapterLoader",
        "AnymsLayout",
        "AnymsLayoutPreview",
        "MusarConditioning",
        "MusarDualLora",
        "MusarRouting",
        "MusarRoutingPreview",
        "MusarSubject",
    ]
    for node_id, info in ours.items():
        assert info["python_module"] == "custom_nodes.comfyui-musar"
        for page in (f"{node_id}.md", f"{node_id}/zh.md"):  # as the frontend asks for them
            assert server.get(f"/extensions/comfyui-musar/docs/{page}").startswith(b"# ")


def test_the_shipped_prompts_are_what_make_workflows_writes():
    graphs = {graph.name: graph.prompt for graph in every_graph()}
    assert sorted(graphs) == PROMPTS
    for name, prompt in graphs.items():
        assert json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text()) == prompt


@pytest.mark.parametrize("name", ANYMS_ALONE)
def test_shipped_prompt_of_an_adapter_alone_draws(server, small, too_old, name):
    prompt = small(name)
    if too_old(prompt):
        return
    before = len(server.log.read_text())
    images = server.run(prompt).images
    (picture,), (layout,) = (
        [Image.open(io.BytesIO(file)) for file in images[number]] for number in ("81", "106")
    )
    assert picture.size == layout.size == (96, 96)
    assert picture.tobytes() != layout.tobytes(), "boxes were drawn over it"
    log = server.log.read_text()[before:]
    assert "Traceback" not in log and "ERROR" not in log
    prompt["101"]["inputs"]["weight"] = 0.0
    for number in ("105", "106"):
        del prompt[number]
    (plain,) = server.run(prompt).images["81"]
    assert Image.open(io.BytesIO(plain)).tobytes() != picture.tobytes(), "the adapter acted"


@pytest.mark.parametrize("name", sorted({*PROMPTS} - {*ANYMS_ALONE, "try_sprites"}))  # that is small as it is
def test_shipped_prompt_draws(server, small, too_old, name):
    steps = []
    before = len(server.log.read_text())
    prompt = small(name)
    prompt["6"]["inputs"]["guidance"] += 0.01 * (1 + PROMPTS.index(name))  # cached nodes show no text
    if too_old(prompt):
        return
    subjects = sum(node["class_type"] == "MusarSubject" for node in prompt.values())
    result = server.run(prompt, lambda node, step, of: steps.append((step, of)))
    pictures = [Image.open(io.BytesIO(file)) for file in result.images["81"]]
    assert len(pictures) == (4 if name == "batch_of_four_uno" else 1)
    assert {picture.size for picture in pictures} == {(128, 128) if "image_to" in name else (96, 96)}
    assert any(step == of for step, of in steps)
    log = server.log.read_text()[before:]
    assert "Traceback" not in log and "ERROR" not in log
    wired = [n["inputs"] for n in prompt.values() if n["class_type"] == "MusarConditioning"]
    assert len(result.texts) == len(wired)
    told = max(result.texts)  # of second passes, each has one subject
    assert told.startswith(f"{subjects} subject{'s' * (subjects > 1)}, routed · ")
    assert told.split(" · ")[1].split(":")[0] == wired[0]["preset"]
    preset = "flux.2" if is_flux2(prompt) else name.rsplit("_", 1)[1]
    assert wired[0]["preset"].lower().startswith(preset)


def test_the_owner_map_is_shown_step_by_step(server, small):
    prompt = small("two_subjects_uno", steps=3)
    (routing,) = (i for i, node in prompt.items() if node["class_type"] == "MusarRouting")
    shown = server.run(prompt).previews[routing]
    assert len(shown) == 3
    assert all(Image.open(io.BytesIO(file)).width >= 400 for file in shown)


def test_pictures_of_a_list_have_owners_of_their_own(server, small):
    """One after another through one sampler; the preview runs behind all of them."""
    prompt = small("routing_map_uno")
    latents = next(i for i, n in prompt.items() if n["class_type"] == "EmptySD3LatentImage")
    prompt[latents]["inputs"]["batch_size"] = 2
    each = {"latents": [latents, 0], "batch_size": 1}
    prompt["200"] = {"class_type": "RebatchLatents", "inputs": each}
    prompt["9"]["inputs"]["latent_image"] = ["200", 0]
    preview = next(i for i, n in prompt.items() if n["class_type"] == "MusarRoutingPreview")
    first, second = server.run(prompt).outputs[preview]["musar"]
    assert first["subjects"] == second["subjects"] and first["leak"] and first["leak"] != second["leak"]


def test_batch_with_a_zeroed_negative(server, edited):
    prompt = edited(("KSampler.cfg", 3.0), ("EmptySD3LatentImage.batch_size", 2))
    ((first, second),) = server.run(prompt).images.values()
    assert first != second


def test_routing_makes_a_difference_and_none_warns(server, edited, small):
    routed = opened(server.run(small("two_subjects_kontext")))
    prompt = small("two_subjects_kontext")
    (routing,) = (i for i, n in prompt.items() if n["class_type"] == "MusarRouting")
    conditioning = next(i for i, n in prompt.items() if n["class_type"] == "MusarConditioning")
    prompt["9"]["inputs"]["model"] = prompt.pop(routing)["inputs"]["model"]
    unrouted = server.run(prompt)
    (shown,) = unrouted.texts
    assert "No MUSAR Routing in this workflow" in shown
    assert unrouted.outputs[conditioning]["text"] == [shown]
    assert shown in server.log.read_text()
    assert opened(unrouted).tobytes() != routed.tobytes()
    again = server.run(small("two_subjects_kontext"))  # the warning goes when routing comes back
    assert again.texts == ["2 subjects, routed · Kontext, one place: positions index, places 1, static off"]
    assert conditioning not in again.outputs


def test_boxes_that_only_bound_say_so(server, small, too_old):
    prompt = small("boxes_uno")
    if too_old(prompt):
        return
    prompt["6"]["inputs"]["guidance"] += 0.5  # cached nodes show no text
    (placed,) = server.run(prompt).texts
    prompt["6"]["inputs"]["layout_until"] = 0.0
    (bound,) = server.run(prompt).texts
    assert bound.startswith(placed) and "set layout_until here" in bound.removeprefix(placed)


def test_cancelled_then_drawn(server, edited):
    whole = server.run(edited(("KSampler.steps", 3), ("KSampler.seed", 11)))
    stopping = threading.Event()

    def stop(node, step, of):
        if step >= 2 and not stopping.is_set():
            stopping.set()
            server.interrupt()

    with pytest.raises(Refused, match="cancelled"):
        server.run(edited(("KSampler.steps", 200), ("KSampler.seed", 12)), stop)
    again = server.run(
        edited(("KSampler.steps", 3), ("KSampler.seed", 11), ("SaveImage.filename_prefix", "again"))
    )
    assert opened(again).tobytes() == opened(whole).tobytes()
