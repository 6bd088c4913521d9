"""What a dual LoRA's file says of its training, and where a graph does otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ...musar_attention.lora import FORMAT, TRAINED


def facts_of(path: Path) -> dict[str, Any] | None:
    """None: the file does not say that it was trained as a dual LoRA. What cannot be read says nothing."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError):
        return None
    if FORMAT not in metadata:
        return None
    try:
        facts = json.loads(metadata.get(TRAINED, "{}"))
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def differences(facts: Mapping[str, Any], graph: Mapping[str, Any]) -> list[str]:
    """Of what both say: 'static on, and this graph has it off'."""
    found = []
    for name, value in graph.items():
        if name in facts and value is not None and facts[name] != value:
            has, here = on_off(facts[name]), on_off(value)
            found.append(f"{name.replace('_', ' ')} {has}, and this graph has {here}")
    return found


def on_off(value: Any) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
