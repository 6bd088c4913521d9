"""What a client of the API gets: the nodes, a picture for every shipped prompt, a run it can stop."""

import io
import threading

import pytest
from PIL import Image

from tools.comfy_server import ROOT, Refused

PROMPTS = sorted(f.stem for f in (ROOT / "workflows" / "api").glob("*.json"))


def opened(result):
    ((file, *_), *_) = result.images.values()
    return Image.open(io.BytesIO(file))


def test_nodes_are_listed(server):
    listed = server.json("/object_info")
    ours = {n: i for n, i in listed.items() if i["category"] == "MUSAR"}
    assert sorted(ours) == [
        "MusarConditioning",
        "MusarDualLora",
        "MusarRouting",
        "MusarRoutingPreview",
        "MusarSubject",
    ]
    for node_id, info in ours.items():
        assert info["python_module"] == "custom_nodes.comfyui-musar"
        assert server.get(f"/extensions/comfyui-musar/docs/{node_id}.md").startswith(b"# ")


def test_there_are_prompts_for_two_and_three_subjects_on_dev_and_kontext():
    assert PROMPTS == [
        "three_subjects_kontext",
        "three_subjects_uno",
        "two_subjects_kontext",
        "two_subjects_uno",
    ]


@pytest.mark.parametrize("name", PROMPTS)
def test_shipped_prompt_draws(server, small, name):
    steps = []
    before = len(server.log.read_text())
    result = server.run(small(name), lambda node, step, of: steps.append((step, of)))
    assert opened(result).size == (96, 96)
    assert (2, 2) in steps
    log = server.log.read_text()[before:]
    assert "Traceback" not in log and "ERROR" not in log
    assert result.texts == [f"{'three' in name and 3 or 2} subjects, routed"]


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
    assert again.texts == ["2 subjects, routed"] and conditioning not in again.outputs


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
