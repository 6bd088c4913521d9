"""What MUSAR Conditioning advises behind what it tells: another preset, boxes that place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .families import Family, Preset

ANYMS = "AnymsLayout"
UNPLACED = (
    ". Boxes and regions bound their subjects, and do not place them: for that set layout_until here, to "
)
NOTHING_TO_PLACE = ". layout_until does nothing here: no subject has a box or a region"
MANY = 4  # subjects for which there are presets


def better(family: Family, preset: Preset | None, subjects: int) -> str:
    """The preset for so many subjects, where it is another one."""
    names = [known.name for known in family.presets]
    if preset and preset.name in names and subjects >= MANY:
        for name in (f"{preset.name}, four or more", f"{preset.name}, one place"):
            if name in names:
                return f". For {MANY} or more subjects there is the preset '{name}'"
    if preset and preset.off_prompt and subjects == 1:
        return ". With one subject the preset UNO, and its file in Load LoRA, is far better"
    return ""


def unplaced(around: Iterable[Mapping], family: Family, bound: bool, until: float) -> str:
    """What to do where boxes are to place; MUSAR AnyMS Layout does it by its adapter."""
    if until and not bound:
        return NOTHING_TO_PLACE
    beside = any(node["class_type"] == ANYMS for node in around)
    wanted = bound and not until and family.layout_until and not beside
    return f"{UNPLACED}{family.layout_until:g}" if wanted else ""
