"""Whether anything that uses the conditioning is routed: by the wires, not by what lies about."""

import json

import pytest
import torch
from safetensors.torch import save_file

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
    notice = pack("nodes.host.notice")
    said = notice.warnings_of(notice.surroundings(GRAPH | change, "words"), "diagonal", None)
    assert said == ([] if routed else [notice.UNROUTED])


def test_another_sampler_behind_the_same_picture_is_another_matter(pack):
    """Two samplers, one routed, whose pictures are joined."""
    notice = pack("nodes.host.notice")
    graph = GRAPH | {
        "words 2": {"class_type": "MusarConditioning", "inputs": {"prompt": "a cat"}},
        "sample 2": {"class_type": "KSampler", "inputs": {"model": ["load", 0], "positive": ["words 2", 0]}},
        "join": {"class_type": "ImageBatch", "inputs": {"a": ["sample", 0], "b": ["sample 2", 0]}},
    }
    said = [
        notice.warnings_of(notice.surroundings(graph, words), "diagonal", None)
        for words in ("words", "words 2")
    ]
    assert said == [[], [notice.UNROUTED]]


def nodes_of(*kinds):
    """As they stand in a prompt: ("MusarRouting", {"static": True})."""
    return [{"class_type": kind, "inputs": inputs} for kind, inputs in kinds]


FOLLOWS = ("MusarRouting", {"static": True, "settings": "as the conditioning says"})


@pytest.fixture
def dual(files):
    """A LoRA that says it is MUSAR's, and one that does not."""
    state = {"subject.x": torch.zeros(1)}
    save_file(state, files.loras / "said.safetensors", {"musar_format": "1"})
    save_file(state, files.loras / "silent.safetensors")
    told = {"static": True, "dynamic": True, "positions": "diagonal", "places": 0, "condition_prompts": True}
    told["owners_by"] = "phrase"
    facts = {"musar_format": "1", "musar_trained": json.dumps(told)}
    save_file(state, files.loras / "trained.safetensors", facts)
    save_file(state, files.loras / "broken.safetensors", {"musar_format": "1", "musar_trained": "[oh"})
    both = {"subject_lora": "silent.safetensors", "noise_lora": "silent.safetensors"}
    return lambda name: (
        "MusarDualLora",
        both if name == "both" else {"subject_lora": f"{name}.safetensors"},
    )


@pytest.mark.parametrize(
    "preset, routing, lora, says",
    (
        ("UNO", FOLLOWS, None, None),
        ("UNO", ("MusarRouting", {"static": False, "evidence": "centred"}), None, None),
        (
            "UNO",
            ("MusarRouting", {"static": True, "evidence": "centred"}),
            None,
            "by hand to static on, and the preset UNO wants static off",
        ),
        (
            "UNO",
            ("MusarRouting", {"static": False, "smooth": True}),  # a prompt from before evidence
            None,
            "by hand to evidence raw, smooth on, and the preset UNO wants evidence centred, smooth off",
        ),
        ("UNO", ("MusarRouting", {"static": ["7", 0], "evidence": "centred"}), None, None),  # not known yet
        ("UNO", FOLLOWS, "silent", None),
        ("UNO", FOLLOWS, "said", "said.safetensors is a MUSAR dual LoRA, and the preset is UNO"),
        ("Kontext", FOLLOWS, "said", "said.safetensors is a MUSAR dual LoRA, and the preset is Kontext"),
        ("MUSAR", FOLLOWS, "said", None),
        ("MUSAR", FOLLOWS, "gone", None),  # loading it tells
        ("MUSAR", FOLLOWS, None, "for a MUSAR dual LoRA, and none is connected"),
        (
            "MUSAR",
            ("MusarRouting", {"static": False}),
            "said",
            "static off, evidence raw, and the preset MUSAR wants static on, evidence centred",
        ),
        ("by hand", ("MusarRouting", {"static": True}), "said", None),
        ("UNO, four or more", FOLLOWS, "both", None),
        ("UNO, four or more", FOLLOWS, "silent", "and noise_lora is none. Choose it there"),
        ("UNO, four or more", FOLLOWS, None, "and there is none. Choose it there instead of in Load LoRA"),
        ("UNO, four or more", FOLLOWS, "said", "is a MUSAR dual LoRA, and the preset is UNO, four or more"),
    ),
)
def test_what_contradicts_a_preset(pack, dual, preset, routing, lora, says):
    family = pack("nodes.host.families").FLUX1
    chosen = None if preset == "by hand" else family.preset(preset)
    stock = ("LoraLoaderModelOnly", {"lora_name": "uno.safetensors"})
    around = nodes_of(routing, dual(lora) if lora else stock)
    said = pack("nodes.host.notice").warnings_of(around, "diagonal", chosen)
    assert len(said) == (says is not None) and all(says in warning for warning in said)


def by_owners(owners_by, **inputs):
    return "MusarRouting", {"static": True, "dynamic": True, "owners_by": owners_by, **inputs}


@pytest.mark.parametrize(
    "preset, positions, routing, prompt, says",
    (
        ("MUSAR", "diagonal", FOLLOWS, "a dog", None),
        ("by hand", "diagonal", ("MusarRouting", {"static": True, "dynamic": True}), "a dog", None),
        ("MUSAR", "diagonal", FOLLOWS, " ", "condition prompts on, and this graph has off"),
        ("MUSAR", "diagonal", FOLLOWS, ["7", 0], None),  # wired: nobody knows yet
        ("by hand", "index", FOLLOWS, "a dog", "positions diagonal, and this graph has index"),
        (
            "by hand",
            "diagonal",
            ("MusarRouting", {"static": False}),
            "a dog",
            "with static on, and this graph",
        ),
        (
            "by hand",
            "diagonal",
            ("MusarRouting", {"dynamic": False}),
            "a dog",
            "dynamic on, and this graph has",
        ),
        ("by hand", "diagonal", by_owners("phrase"), "a dog", None),
        ("by hand", "diagonal", by_owners(["7", 0]), "a dog", None),
        ("by hand", "diagonal", by_owners("reference"), "a dog", "owners by phrase, and this graph has ref"),
        ("MUSAR", "diagonal", by_owners("reference", **FOLLOWS[1]), "a dog", None),
    ),
)
def test_a_lora_says_how_it_was_trained(pack, dual, preset, positions, routing, prompt, says):
    family = pack("nodes.host.families").FLUX1
    chosen = None if preset == "by hand" else family.preset(preset)
    subject = ("MusarSubject", {"prompt": prompt, "phrase": "dog"})
    for name in ("trained", "said", "broken"):
        around = nodes_of(routing, subject, dual(name))
        said = pack("nodes.host.notice").warnings_of(around, positions, chosen)
        if says is None or name != "trained":
            assert said == []
        else:
            (warning,) = said
            assert warning.startswith("trained.safetensors was trained with ") and says in warning


@pytest.mark.parametrize(
    "family, positions, static, lora, warned",
    (
        ("FLUX2", "diagonal", True, None, True),  # as new nodes stand there
        ("FLUX2", "index", True, None, True),
        ("FLUX2", "index", False, None, False),
        ("FLUX2", "index", ["7", 0], None, False),
        ("FLUX2", "index", True, "said", False),  # a dual LoRA wants static on
        ("FLUX1", "diagonal", True, None, True),  # likewise
        ("FLUX1", "index", True, None, True),
        ("FLUX1", "diagonal", False, None, False),
        ("FLUX1", "column", False, None, False),  # somebody's
        ("FLUX1", "diagonal", True, "said", False),
    ),
)
def test_by_hand_as_no_weights_want_it(pack, dual, family, positions, static, lora, warned):
    notice, families = pack("nodes.host.notice"), pack("nodes.host.families")
    around = nodes_of(("MusarRouting", {"static": static}), *([dual(lora)] if lora else []))
    said = notice.warnings_of(around, positions, None, getattr(families, family))
    wanted = {
        "FLUX1": "(UNO: positions diagonal, static off; Kontext: ",
        "FLUX2": "(FLUX.2: positions index, ",
    }
    assert len(said) == warned and all(wanted[family] in text for text in said)


@pytest.mark.parametrize(
    "preset, others, says",
    (
        ("UNO", (("UNETLoader", {"unet_name": "flux1-dev.safetensors"}),), "no LoRA is in this workflow"),
        (
            "UNO",
            (("UNETLoader", {"unet_name": "x/flux1-Kontext-dev.gguf"}),),
            "wants the preset 'Kontext, one",
        ),
        ("UNO", (("LoraLoaderModelOnly", {"lora_name": "uno.safetensors"}),), None),
        ("UNO", (("Power Loader", {"lora_1": {"on": True}}),), None),
        ("Kontext", (("UNETLoader", {"unet_name": "flux1-dev.safetensors"}),), None),
    ),
)
def test_a_preset_for_a_lora_that_is_not_there(pack, preset, others, says):
    family = pack("nodes.host.families").FLUX1
    said = pack("nodes.host.notice").warnings_of(
        nodes_of(FOLLOWS, *others), "diagonal", family.preset(preset), family
    )
    assert len(said) == (says is not None) and all(says in warning for warning in said)


@pytest.mark.parametrize("static, told", ((True, ", static on"), (False, ", static off"), (["7", 0], "")))
def test_what_is_in_force_by_hand(pack, static, told):
    around = nodes_of(("MusarRouting", {"static": static}))
    assert pack("nodes.host.notice").told_by_hand(around, "index") == f"by hand: positions index{told}"


@pytest.mark.parametrize(
    "preset, change, anew",
    (
        ("by hand", {"route": {"dynamic": False, "owners_by": "reference"}}, False),
        ("by hand", {"route": {"static": False}}, True),
        ("by hand", {"lora": {"subject_lora": "silent.safetensors"}}, True),
        ("by hand", {"subject": {"prompt": "a dog"}}, False),
        ("UNO", {"route": {"static": False, "dynamic": False}}, True),  # not as the preset wants it
        ("UNO", {"anyms": {}}, True),  # which places
        ("by hand", {"anyms": {}}, True),
    ),
)
def test_a_node_runs_anew_only_where_its_text_may_change(pack, dual, monkeypatch, preset, change, anew):
    """Else prompts and references would be encoded again, and every sampler behind would draw again."""
    notice = pack("nodes.host.notice")
    kinds = {"route": ("MusarRouting", {"static": True, "dynamic": True, "settings": "by hand"})}
    kinds |= {"subject": ("MusarSubject", {"prompt": ""}), "lora": ("MusarDualLora", None)}
    kinds |= {"anyms": ("AnymsLayout", None)}

    def graph(**more):
        inputs = {name: (told or {}) | more.get(name, {}) for name, (_, told) in kinds.items()}
        every = {
            name: {"class_type": kind, "inputs": inputs[name]}
            for name, (kind, told) in kinds.items()
            if told is not None or name in more
        }
        last = ["lora", 0] if "lora" in every else ["load", 0]
        every["route"]["inputs"]["model"] = last
        if "anyms" in every:
            every["anyms"]["inputs"]["model"] = ["route", 0]
        words = {"subjects.subject_1": ["subject", 0]}
        return every | {
            "load": {"class_type": "UNETLoader", "inputs": {}},
            "words": {"class_type": "MusarConditioning", "inputs": words},
            "sample": {
                "class_type": "KSampler",
                "inputs": {"model": ["anyms" if "anyms" in every else "route", 0], "positive": ["words", 0]},
            },
        }

    said = []
    for one in (graph(), graph(**change)):
        monkeypatch.setattr(notice, "_queued", lambda one=one: (one, "words"))
        said.append(notice.said_in_queue("diagonal", preset))
    assert (said[0] != said[1]) is anew


def test_a_sampler_that_forgets_references_is_named(pack):
    notice = pack("nodes.host.notice")
    around = nodes_of(FOLLOWS, ("KSampler (Efficient)", {}))
    assert notice.warnings_of(around, "diagonal", None) == [notice.FORGETFUL]


@pytest.mark.parametrize(
    "family, preset, subjects, says",
    (
        ("FLUX1", "UNO", 3, ""),
        ("FLUX1", "UNO", 4, ". For 4 or more subjects there is the preset 'UNO, four or more'"),
        ("FLUX1", "Kontext", 5, ". For 4 or more subjects there is the preset 'Kontext, one place'"),
        ("FLUX1", "MUSAR", 4, ". For 4 or more subjects there is the preset 'MUSAR, four or more'"),
        ("FLUX1", "UNO, four or more", 8, ""),
        ("FLUX1", "UNO, four or more", 1, ". With one subject the preset UNO, and its file in Load LoRA, is"),
        ("FLUX2", "FLUX.2", 4, ". For 4 or more subjects there is the preset 'FLUX.2, four or more'"),
        ("FLUX2", "MUSAR", 4, ""),
        ("FLUX1", None, 6, ""),
    ),
)
def test_the_number_of_subjects_has_a_preset(pack, family, preset, subjects, says):
    family = getattr(pack("nodes.host.families"), family)
    said = pack("nodes.host.advice").better(family, preset and family.preset(preset), subjects)
    assert said.startswith(says) and bool(said) == bool(says)


def test_boxes_that_only_bound(pack):
    advice, families = pack("nodes.host.advice"), pack("nodes.host.families")
    assert advice.unplaced(nodes_of(FOLLOWS), families.FLUX1, True, 0.0) == f"{advice.UNPLACED}0.3"
    assert advice.unplaced(nodes_of(FOLLOWS), families.FLUX1, True, 0.3) == ""
    assert advice.unplaced(nodes_of(FOLLOWS), families.FLUX1, False, 0.0) == ""
    assert advice.unplaced(nodes_of(FOLLOWS), families.FLUX2, True, 0.0) == ""
    assert advice.unplaced(nodes_of(FOLLOWS, ("AnymsLayout", {})), families.FLUX1, True, 0.0) == ""
    for family in (families.FLUX1, families.FLUX2):
        assert advice.unplaced(nodes_of(FOLLOWS), family, False, 0.3) == advice.NOTHING_TO_PLACE


@pytest.mark.parametrize("other, twice", (("uno.safetensors", True), ("style.safetensors", False)))
def test_unos_file_in_two_nodes_acts_twice(pack, other, twice):
    family = pack("nodes.host.families").FLUX1
    dual = ("MusarDualLora", {"subject_lora": "uno.safetensors", "noise_lora": "uno.safetensors"})
    around = nodes_of(FOLLOWS, dual, ("LoraLoaderModelOnly", {"lora_name": other}))
    said = pack("nodes.host.notice").warnings_of(around, "diagonal", family.preset("UNO, four or more"))
    assert len(said) == twice and all("is in MUSAR Dual LoRA and in another node" in text for text in said)
