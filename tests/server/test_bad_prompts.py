"""Bad prompts: each gets an answer that names the fix, and the server goes on serving."""

import pytest
from safetensors.torch import save_file

from tools.comfy_server import Refused


def boxes(x, y, width, height):
    """Core's box node, to be wired to MUSAR Conditioning."""
    return {
        "90": {
            "class_type": "PrimitiveBoundingBox",
            "inputs": {"x": x, "y": y, "width": width, "height": height},
        }
    }


SEVENTEEN = [(f"MusarConditioning.subjects.subject_{i}", ["11", 0]) for i in range(3, 18)]
WIRED = ("MusarConditioning.boxes", ["90", 0])
CANVAS = [("MusarConditioning.canvas_width", 512), ("MusarConditioning.canvas_height", 512)]

BAD = {
    "phrase that the prompt lacks": (
        [("MusarSubject.phrase", "hat")],
        {},
        ("subject_1", "'hat'", "does not contain it", "Change the phrase"),
    ),
    "phrase of punctuation": ([("MusarSubject.phrase", "?!")], {}, ("subject_1", "no letter or digit")),
    "subject without words": ([("MusarSubject.phrase", "")], {}, ("phrase and prompt are both empty",)),
    "empty prompt": ([("MusarConditioning.prompt", "")], {}, ("prompt is empty", "name every subject")),
    "strength above one": ([("MusarSubject.strength", 1.2)], {}, ("strength", "max of 1.0")),
    "seventeen subjects": (SEVENTEEN, {}, ("subjects.subject_17", "16 at most")),
    "unknown positions": ([("MusarConditioning.positions", "circle")], {}, ("positions", "diagonal")),
    "nothing for the vae": ([("MusarConditioning.vae", None)], {}, ("Required input is missing", "vae")),
    "empty window": (
        [("MusarRouting.start_percent", 0.9), ("MusarRouting.end_percent", 0.1)],
        {},
        ("window is empty", "must not lie after"),
    ),
    "box off the canvas": ([WIRED, *CANVAS], boxes(600, 0, 64, 64), ("Box 1", "512 × 512 canvas", "Move it")),
    "box off the picture": ([WIRED], boxes(600, 0, 64, 64), ("boxes", "96 × 96 canvas", "canvas_width")),
    "a FLUX that takes no references": (
        [("UNETLoader.unet_name", "fill.safetensors")],
        {},
        ("FLUX.1 Fill", "Use FLUX.1 dev, schnell or Kontext"),
    ),
    "missing file": ([("LoadImage.image", "hat.png")], {}, ("hat.png",)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_prompt(server, edited, name):
    from tools.tiny import flux_weights

    fill = server.base / "models" / "diffusion_models" / "fill.safetensors"
    if not fill.exists():
        save_file(flux_weights(128, 1, 1, channels=96), fill)
    changes, add, says = BAD[name]
    with pytest.raises(Refused) as refused:
        server.run(edited(*changes, add=add))
    for words in says:
        assert words in str(refused.value), str(refused.value)
    assert server.run(edited(("KSampler.steps", 1))).images
