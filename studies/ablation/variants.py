"""The variants of the ablation, as variants.yaml has them."""

from __future__ import annotations

from pathlib import Path

import yaml

from tools.comfy_server import ROOT

from ..judging.variant import Variant, variants

HERE = Path(__file__).parent
RESULTS = HERE / "results"
RUNS = ROOT / ".run" / "ablation"
SETTINGS = yaml.safe_load((HERE / "variants.yaml").read_text())


def every_variant() -> list[Variant]:
    return variants(SETTINGS, RESULTS, RUNS)
