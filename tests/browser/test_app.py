"""Shipped graphs as forms: two pictures, their words, a prompt, a button."""

from playwright.sync_api import expect

from gallery.app import form_of
from gallery.graphs import every_graph

from .canvas import SMALL, SWAP_ENCODERS, run, wait_for_nodes

OPEN_AS_SHIPPED = "([graph, name]) => window.app.loadGraphData(graph, true, true, name)"
SHOWN = """() => [...document.querySelectorAll('[data-testid=linear-center-panel] img')]
  .some(image => image.src.includes('type=output') && image.naturalWidth > 0)"""


def test_every_graph_carries_its_form(shipped):
    for graph in every_graph():
        assert shipped(graph.name)[0]["extra"] == form_of(graph)


def test_two_subjects_open_as_a_form_that_draws_and_others_as_nodes(page, shipped, photograph):
    form = page.get_by_test_id("linear-widgets")
    labels = form.get_by_test_id("builder-widget-label")
    page.evaluate(OPEN_AS_SHIPPED, [shipped("three_subjects_uno")[0], "three_subjects_uno"])
    wait_for_nodes(page, 18)
    assert not form.count()
    page.get_by_label("Enter app mode").click()  # its form is at hand
    expect(labels).to_have_text([*["image", "phrase"] * 3, "prompt", "seed"])
    page.evaluate(OPEN_AS_SHIPPED, [shipped("two_subjects_uno")[0], "two_subjects_uno"])
    expect(labels).to_have_text([*["image", "phrase"] * 2, "prompt", "seed"])
    written = [box.input_value() for box in form.get_by_role("textbox").all()]
    assert written[:3] == ["cat", "robot", "a cat next to a robot on the beach"]
    page.evaluate(SWAP_ENCODERS)
    page.evaluate(SMALL, 8)
    run(page, page.get_by_test_id("linear-run-button").get_by_role("button", name="Run"))
    page.wait_for_function(SHOWN)
    photograph("app")
