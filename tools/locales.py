"""`make locales`: what the nodes say in English, in the form that ComfyUI's frontend translates from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .comfy_server import ROOT

LOCALES = ROOT / "locales"
FILE = "nodeDefs.json"


def said(schemas: Iterable[Any]) -> dict[str, dict]:
    """From the nodes' schemas, by the nodes' ids."""
    return {
        schema.node_id: {
            "display_name": schema.display_name,
            "description": schema.description,
            "inputs": {i.id: {"name": i.id, "tooltip": i.tooltip} for i in schema.inputs},
            "outputs": {
                str(k): {"name": o.display_name or o.io_type, "tooltip": o.tooltip}
                for k, o in enumerate(schema.outputs)
            },
        }
        for schema in schemas
    }


def flat(tree: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """'MusarRouting.inputs.static.tooltip': what it says."""
    out: dict[str, str] = {}
    for name, value in tree.items():
        here = f"{path}.{name}" if path else name
        out |= flat(value, here) if isinstance(value, Mapping) else {here: value}
    return out


def read_locale(language: str) -> dict[str, dict]:
    return json.loads((LOCALES / language / FILE).read_text())


def write_locale(language: str, tree: Mapping[str, dict], folder: Path = LOCALES) -> None:
    file = folder / language / FILE
    file.write_text(json.dumps(tree, indent=2, ensure_ascii=False) + "\n")
