"""Whether anything that uses the conditioning is routed: by the wires, not by what lies about."""

import pytest

GRAPH = {
    "load": {"class_type": "UNETLoader", "inputs": {"unet_name": "x"}},
    "route": {"class_type": "MusarRouting", "inputs": {"model": ["load", 0], "static": True}},
    "words": {"class_type": "MusarConditioning", "inputs": {"prompt": "a dog"}},
    "zero": {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["words", 0]}},
    "sample": {"class_type": "KSampler", "inputs": {"model": ["route", 0], "positive": ["zero", 0]}},
}


@pytest.mark.parametrize(
    "change, routed",
    (
        ({}, True),
        (
            {
                "sample": {
                    "class_type": "KSampler",
                    "inputs": {"model": ["load", 0], "positive": ["words", 0]},
                }
            },
            False,
        ),
        ({"route": {"class_type": "Other", "inputs": {"model": ["load", 0]}}}, False),
        ({"sample": {"class_type": "KSampler", "inputs": {"model": ["route", 0], "positive": "x"}}}, False),
    ),
)
def test_is_routed(pack, change, routed):
    assert pack("nodes.host.notice").is_routed(GRAPH | change, "words") == routed
