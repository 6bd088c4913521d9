"""The evaluation's page, opened as a file: no server, no request, every picture there."""

import json
import subprocess
import sys

from PIL import Image

from sprites.world.identity import all_identities
from sprites.world.palette import picture
from sprites.world.scene import Placed, Scene, columns_for, reference
from tools.comfy_server import ROOT


def test_it_opens_without_a_server(browser, tmp_path):
    """Pictures of Sprites as they should be, and with the subjects' looks exchanged."""
    looks, rows = all_identities(), []
    for number in range(6):
        kinds, own = ("cat", "robot"), (looks[11 * number], looks[300 + 11 * number])
        for k, (kind, identity) in enumerate(zip(kinds, own)):
            cells = reference(kind, identity)
            Image.fromarray(picture(cells)).save(tmp_path / f"{number}_{k}.png")
        drawn = own[::-1] if number == 3 else own
        subjects = tuple(Placed(kind, look, 6, 1 + 8 * k) for k, (kind, look) in enumerate(zip(kinds, drawn)))
        scene = Scene("on the beach", subjects, columns_for(2))
        Image.fromarray(picture(scene.cells())).save(tmp_path / f"drawn_{number}.png")
        rows.append(
            {
                "file": f"drawn_{number}.png",
                "prompt": "a cat & a robot on the beach",
                "reference_1": f"{number}_0.png",
                "reference_2": f"{number}_1.png",
                "seed": number,
            }
        )
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, "-m", "evaluation", "score", "--table", tmp_path / "t.jsonl", "--sprites"]
    command += ["--output", tmp_path / "report", "--title", "Sprites <exchanged>"]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    page = browser.chromium.new_context(viewport={"width": 1200, "height": 900}).new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto((tmp_path / "report" / "report.html").as_uri(), wait_until="load")
    assert not errors and {url.split(":")[0] for url in asked} <= {"file", "data"}
    assert page.title() == "Sprites <exchanged>"
    assert page.locator("h2").all_inner_texts() == [
        "Means",
        "Each subject",
        "Worst by identity",
        "Best by identity",
    ]
    assert page.locator("table tr").nth(1).inner_text().startswith("several subjects 6 prompts, 6 pictures")
    assert page.locator("circle").count() == 12
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    worst, best = (page.locator(".cases").nth(k).locator("figcaption").first.inner_text() for k in (0, 1))
    assert "seed 3" in worst and "identity 0.237" in worst and "identity 1.000" in best
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    page.screenshot(path=tmp_path / "report.png", full_page=True)
    page.context.close()
