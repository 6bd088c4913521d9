"""The models and the ways of drawing with them, as models.yaml has them."""

from __future__ import annotations

from pathlib import Path

import yaml

from tools.comfy_server import ROOT

from ..judging.variant import Variant, variants
from .ways import way_of

HERE = Path(__file__).parent
RESULTS = HERE / "results"
RUNS = ROOT / ".run" / "training_free"
SETTINGS = yaml.safe_load((HERE / "models.yaml").read_text())
WAYS = {
    name: way_of(settings)
    for group in ("ways", "trials", "kontext", "musar")
    for name, settings in SETTINGS[group].items()
}


def every_model() -> list[Variant]:
    return variants(SETTINGS, RESULTS, RUNS)
