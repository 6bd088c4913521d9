"""The ways of the study: a way that the pack offers draws as the trainer's own routing does."""

import json
from dataclasses import replace
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from musar_attention import SubjectTokens, TokenLayout
from studies.ablation.variants import every_variant
from studies.judging.cases import cases
from studies.judging.crowds import crowd_cases
from studies.training_free import __main__ as study
from studies.training_free.__main__ import WAYS
from studies.training_free.chart import HEIGHT, TOP, write_chart
from studies.training_free.drawn import as_json
from studies.training_free.report import table
from studies.training_free.rules import TRIED, voice
from studies.training_free.ways import LAST, Way, bend, clauses, inside, seen_affinity


@pytest.fixture(scope="module")
def full():
    (variant,) = (v for v in every_variant() if v.name == "full")
    artist = variant.artist()
    return type(artist)(artist.model, artist.encoder, steps=3, cfg=2.0, batch=4)


def pictures(artist, way=None):
    asked = [*cases(2, False, 2), *cases(3, True, 1)]
    before = () if way is None else (partial(bend, artist.model, way, artist.steps),)
    return {(i, seed): cells for i, seed, cells in artist.draw(asked, 2, *before)}


def test_the_packs_own_way_is_one_of_them(full):
    own = pictures(full)
    bent = pictures(full, Way(static=True))
    assert own.keys() == bent.keys()
    assert all(np.array_equal(own[key], bent[key]) for key in own)


@pytest.mark.parametrize(
    "way",
    [
        Way(static=True, steps=(0.0, 0.5)),
        Way(accumulate=False),
        Way(static=True, signal="reference"),
        Way(static=True, boxes=True),
    ],
)
def test_another_way_draws_another_picture(full, way):
    usual, other = pictures(full, Way(static=True)), pictures(full, way)
    assert any(not np.array_equal(usual[key], other[key]) for key in usual)


def test_a_cell_that_came_later_is_drawn_and_the_others_stay(full, monkeypatch, tmp_path):
    variant, asked_for = replace(study.musar(), results=tmp_path), []
    monkeypatch.setattr(type(variant), "artist", lambda self, gated: full)
    for settings in ("judge", "beyond"):
        monkeypatch.setitem(study.SETTINGS[settings], "prompts", 1)

    def drawn(artist, way, asked, seeds):
        asked_for.append(list(asked))
        return {cell: {"identity": [1.0]} for cell in asked}

    monkeypatch.setattr(study, "drawn", drawn)
    study.judge(variant, ["as trained", "as trained, boxes"])
    cells = ["1", "2", "3", "4", "5", "2, two of a kind"]
    freer = ["2, a photo of", "3, a photo of", "3, in another order"]
    assert asked_for == [[*cells, "6", "7", "8", *freer], cells]
    scores = json.loads(variant.scores.read_text())
    kept = {"5": {"identity": [0.5]}} | {c: scores["as trained"][c] for c in cells[:4]}
    variant.scores.write_text(json.dumps(scores | {"as trained": kept}))
    study.judge(variant, ["as trained", "as trained, boxes"])
    assert asked_for[2:] == [["2, two of a kind", "6", "7", "8", *freer]]
    assert json.loads(variant.scores.read_text())["as trained"]["5"] == {"identity": [0.5]}


def test_boxes_are_where_the_true_picture_has_each_reference():
    shuffled = [cases(3, False, 1, shuffled=True)[0], crowd_cases(3, 1, shuffled=True)[0]]
    for case in (cases(3, False, 1)[0], *shuffled):
        (allowed,) = inside([case])
        rows, columns = case.scene.rows // 2, case.scene.columns // 2
        for k, reference in enumerate(case.example.references):
            (row, column), *_ = allowed[:, k].reshape(rows, columns).nonzero().tolist()
            (subject,) = (s for s in case.scene.subjects if (s.row // 2, s.column // 2) == (row, column))
            assert subject.kind in reference.phrase
            assert allowed[:, k].sum() == 9


def test_other_words_are_of_the_same_scenes():
    usual, told, shuffled = (
        cases(3, False, 5, **more) for more in ({}, {"opening": "a photo of "}, {"shuffled": True})
    )
    for before, opened, mixed in zip(usual, told, shuffled):
        assert opened.words == f"a photo of {before.words}" and mixed.words == before.words
        assert opened.scene == mixed.scene == before.scene
        names, others = ([r.phrase for r in case.example.references] for case in (before, mixed))
        assert sorted(names) == sorted(others) and names != others


def test_seen_affinity_is_the_attention_that_references_get():
    layout = TokenLayout(2, (1, 3), (SubjectTokens((1, 2), (0,)), SubjectTokens((1, 1), (1,), 2)), extra=1)
    g = torch.Generator().manual_seed(0)
    q, k = (torch.randn(2, 2, layout.length, 4, generator=g) for _ in "qk")
    found = seen_affinity(q, k, layout)
    for b in range(2):
        for n in range(3):
            for i in range(2):
                heads = []
                for h in range(2):
                    scores = k[b, h] @ q[b, h, layout.X.start + n] / 2
                    heads.append(scores.softmax(0)[layout.CI(i)].sum())
                assert torch.isclose(found[b, n, i], sum(heads) / 2)


def test_ways_and_their_table():
    assert WAYS["no routing"] == Way(dynamic=False) and WAYS["dynamic"] == Way()
    scores = {"dynamic": {"2": {"identity": [0.5, 1.0], "leak": [0.1, None], "fidelity": [1.0, 1.0]}}}
    (row,) = table(scores, ["2", "3"])[2:]
    assert row == "| dynamic | 0.750 (0.50–1.00) [0.100; 1.00] |  |"
    assert as_json(scores).count("\n") == 9


@pytest.mark.parametrize("rule", TRIED)
@pytest.mark.parametrize("subjects", [1, 3])
def test_rules_say_something_of_everything(rule, subjects):
    said = voice(torch.rand(2, 8, subjects, generator=torch.Generator().manual_seed(1)), rule)
    assert said.shape == (2, 8, subjects) and torch.isfinite(said).all()
    assert torch.isfinite(voice(torch.zeros(1, 8, subjects), rule)).all()


def test_rules_by_hand():
    here = torch.tensor([[[1.0, 3.0], [2.0, 2.0]]])
    assert voice(here, "share").tolist() == [[[0.25, 0.75], [0.5, 0.5]]]
    assert voice(here, "standard").tolist() == [[[-1.0, 1.0], [1.0, -1.0]]]


def test_the_chart_shows_each_run_and_their_mean(tmp_path):
    panels = {"one": {"off": [[1.0, 0.5], [0.5, 0.0]], "on": [[1.0, 1.0]]}, "two": {"off": [[0.25]]}}
    write_chart(tmp_path / "chart.svg", panels, "identity")
    root = ElementTree.parse(tmp_path / "chart.svg").getroot()
    lines = [e for e in root.iter("{http://www.w3.org/2000/svg}polyline")]
    drawn = [[tuple(map(float, p.split(","))) for p in e.get("points").split()] for e in lines]
    thick = [points for e, points in zip(lines, drawn) if e.get("stroke-width") == "3"][2:]  # behind the key
    thin = [points for e, points in zip(lines, drawn) if e.get("stroke") != "#dddddd"]
    assert len(thin) == 2 + 2 + 3  # the key, two runs, three means

    def identity(point):
        return 1 - (point[1] - TOP) / HEIGHT

    means = [[round(identity(p), 3) for p in points] for points in thick]
    assert means == [[0.75, 0.25], [1.0, 1.0], [0.25]]


def test_a_clause_goes_on_until_the_next_phrase():
    phrases = torch.zeros(1, 2, 20)
    phrases[0, 0, 7] = 1  # the second in the prompt is the first reference
    phrases[0, 1, 2:4] = 0.5
    told = clauses(phrases)
    assert told[0, 1].nonzero()[:, 0].tolist() == [2, 3, 4, 5, 6]
    assert told[0, 0].nonzero()[:, 0].tolist() == list(range(7, 8 + LAST))
    assert torch.allclose(told.sum(-1), torch.ones(1, 2))
