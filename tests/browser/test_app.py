"""Shipped graphs as forms: two pictures, their words, a prompt, a button."""

from gallery.app import form_of
from gallery.graphs import every_graph

from .canvas import SMALL, SWAP_ENCODER, run

OPEN_AS_SHIPPED = "([graph, name]) => window.app.loadGraphData(graph, true, true, name)"
SHOWN = """() => [...document.querySelectorAll('[data-testid=linear-center-panel] img')]
  .some(image => image.src.includes('type=output') && image.naturalWidth > 0)"""


def test_every_graph_carries_its_form(shipped):
    for graph in every_graph():
        assert shipped(graph.name)[0]["extra"] == form_of(graph)


def test_it_opens_as_a_form_that_draws(page, shipped, photograph):
    graph, _ = shipped("two_subjects_uno")
    page.evaluate(OPEN_AS_SHIPPED, [graph, "two_subjects_uno"])
    form = page.get_by_test_id("linear-widgets")
    form.wait_for()
    labels = form.get_by_test_id("builder-widget-label").all_inner_texts()
    assert labels == ["image", "phrase", "image", "phrase", "prompt", "seed"]
    written = [box.input_value() for box in form.get_by_role("textbox").all()]
    assert written[:3] == ["cat", "robot", "a cat next to a robot on the beach"]
    page.evaluate(SWAP_ENCODER)
    page.evaluate(SMALL)
    run(page, page.get_by_test_id("linear-run-button").get_by_role("button", name="Run"))
    page.wait_for_function(SHOWN)
    photograph("app")


def test_others_open_as_nodes_with_their_form_at_hand(page, shipped):
    graph, _ = shipped("three_subjects_uno")
    page.evaluate(OPEN_AS_SHIPPED, [graph, "three_subjects_uno"])
    page.wait_for_function("window.app.graph._nodes.length > 10")
    assert not page.get_by_test_id("linear-widgets").count()
    page.get_by_label("Enter app mode").click()
    page.get_by_test_id("linear-widgets").wait_for()
    assert page.get_by_test_id("builder-widget-label").count() == 8
