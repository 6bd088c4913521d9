"""The settings of a run: read from YAML, changed from the command line, checked before anything begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from musar_attention import OWNERS_BY, POSITIONS, RULES

from .network.quantised import KINDS

EXAMPLE = "training/configs/flux_dev.yaml"
SINCE = {  # keys that earlier versions did not have, and what keeps their meaning
    "pixels": "null",
    "time.shift": "null",
    "wiring.exact_times": "false",
}


@dataclass(frozen=True)
class Wanted:
    """What a value must be, and the words for it."""

    fits: Callable[[Any], bool]
    words: str
    optional: bool = False


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _whole(low: int, optional: bool = False) -> Wanted:
    return Wanted(
        lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= low,
        f"a whole number from {low}",
        optional,
    )


def _real(low: float, high: float = float("inf"), above: bool = False) -> Wanted:
    words = f"a number {'above' if above else 'from'} {low:g}" + (
        f" to {high:g}" if high < float("inf") else ""
    )
    return Wanted(lambda v: _number(v) and (low < v if above else low <= v) and v <= high, words)


def _one_of(*names: str, optional: bool = False) -> Wanted:
    return Wanted(lambda v: v in names, f"one of {', '.join(names)}", optional)


def _or_none(wanted: Wanted) -> Wanted:
    return Wanted(lambda v: v is None or wanted.fits(v), f"{wanted.words}, or null", wanted.optional)


YES = Wanted(lambda v: isinstance(v, bool), "true or false")
MAYBE = Wanted(YES.fits, YES.words, optional=True)
TEXT = Wanted(lambda v: isinstance(v, str) and bool(v), "a path")
SETTINGS = Wanted(lambda v: isinstance(v, dict) and "kind" in v, "settings with a kind")
RANKS = Wanted(
    lambda v: isinstance(v, dict) and bool(v) and all(_whole(0).fits(r) for r in v.values()),
    "whole numbers from 0 by branch, as {subject: 128, noise: 4}",
)
SHIFT = Wanted(lambda v: v in (None, "auto") or _number(v), "auto, a number, or null")
SHARE = _real(0, 1)
SIDE = Wanted(
    lambda v: isinstance(v, int) and not isinstance(v, bool) and 16 <= v <= 4096, "pixels from 16 to 4096"
)

FORM: dict[str, Any] = {
    "base": TEXT,
    "encoder": SETTINGS,
    "data": SETTINGS,
    "pixels": {"target": _or_none(SIDE), "reference": _or_none(SIDE)},
    "seed": _whole(0),
    "start": _or_none(Wanted(TEXT.fits, "the path of a dual LoRA", optional=True)),
    "variant": {
        "static": YES,
        "dynamic": YES,
        "accumulate": MAYBE,
        "rule": _one_of(*RULES, optional=True),
        "owners_by": _one_of(*OWNERS_BY, optional=True),
        "ranks": RANKS,
    },
    "wiring": {
        "positions": _one_of(*POSITIONS),
        "places": _whole(0, optional=True),
        "guidance": _real(0),
        "dense": YES,
        "exact_times": YES,
    },
    "stages": Wanted(lambda v: isinstance(v, list) and bool(v), "a list of steps and mixes"),
    "batch": _whole(1),
    "accumulation": _whole(1),
    "optimizer": _one_of("adamw", "adamw8bit", "prodigy"),
    "learning_rate": _or_none(_real(0, 10, above=True)),
    "weight_decay": _real(0),
    "warmup": _whole(0),
    "cooldown": SHARE,
    "clip": _real(0, above=True),
    "ema": Wanted(lambda v: _number(v) and 0 <= v < 1, "a number from 0, below 1"),
    "time": {"mean": Wanted(_number, "a number"), "std": _real(0), "shift": SHIFT},
    "drop": {"text": SHARE, "reference": SHARE},
    "condition_prompts": YES,
    "another_in_phrase": MAYBE,
    "precision": _one_of("no", "bf16"),
    "cpu": YES,
    "shard": YES,
    "checkpointing": YES,
    "quantise": _or_none(_one_of(*KINDS, optional=True)),
    "compile": YES,
    "save_every": _whole(1),
    "log": YES,
    "validation": {
        "every": _whole(1),
        "prompts": TEXT,
        "steps": _whole(1),
        "cfg": _real(0),
        "guidance": _real(0),
    },
}
MAY_BE_NULL = ("pixels", "validation")
STAGE = {"steps": _whole(1), "mix": Wanted(lambda v: isinstance(v, dict) and bool(v), "shares by mode")}
AHEAD = {"cache": _or_none(Wanted(TEXT.fits, "a folder", True)), "ahead": _whole(0, optional=True)}


class _Yaml(yaml.SafeLoader):
    """By YAML 1.1 a number needs a point, and 1e-4 is a word."""


_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_config(file: Path, changes: list[str]) -> dict:
    if not file.is_file():
        raise ValueError(f"config is {file}, and there is no such file.")
    try:
        config = yaml.load(file.read_text(), _Yaml)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"config {file} is not YAML ({' '.join(str(error).split())}). Correct it.") from None
    if not isinstance(config, dict):
        raise ValueError(f"config {file} holds {config!r}. Write settings, as {EXAMPLE} has them.")
    for change in changes:
        keys, equals, value = change.partition("=")
        *path, last = keys.split(".")
        part, form = config, FORM
        for key in path:
            part, form = (p.get(key) if isinstance(p, dict) else None for p in (part, form))
        form = AHEAD if path == ["encoder"] else form
        optional = isinstance(form, dict) and getattr(form.get(last), "optional", False)
        if not equals or not isinstance(part, dict) or not (last in part or optional):
            raise ValueError(
                f"--set {change}: the config has no {keys}. Write KEY=VALUE with a key it has or may have."
            )
        part[last] = yaml.load(value, _Yaml)
    return config


def check_config(config: Mapping[str, Any]) -> None:
    """ValueError says which setting, what it is, and what it may be."""
    _check(config, FORM, "")
    for i, stage in enumerate(config["stages"], 1):
        if not isinstance(stage, dict):
            raise ValueError(f"stage {i} is {stage!r}. Write it as {{steps: 1000, mix: {{single: 1.0}}}}.")
        _check(stage, STAGE, f"stage {i}: ")
    _check({k: config["encoder"][k] for k in AHEAD if k in config["encoder"]}, AHEAD, "encoder.")
    rate = config["learning_rate"]
    if config["optimizer"] == "prodigy" and rate is not None and rate < 0.1:
        raise ValueError(
            f"learning_rate is {rate}, and prodigy finds the rate itself: its learning_rate is a factor on "
            "it, usually 1. Set learning_rate: null."
        )
    for name in ("shard", "compile") if config.get("quantise") else ():
        if config[name]:
            raise ValueError(
                f"quantise is {config['quantise']} and {name} is true, which does not work together. Set "
                f"quantise: null, or {name}: false."
            )


def _check(found: Mapping[str, Any], form: Mapping[str, Any], start: str) -> None:
    for name in found:
        if name not in form:
            raise ValueError(f"{start}{name} is no setting: there are {', '.join(form)}. Correct its name.")
    for name, wanted in form.items():
        key = f"{start}{name}"
        if name not in found:
            if isinstance(wanted, Wanted) and wanted.optional:
                continue
            old = f"; {SINCE[key]} keeps what an earlier version did" if key in SINCE else ""
            raise ValueError(f"The config has no {key}. Add it, as {EXAMPLE} has it{old}.")
        value = found[name]
        if isinstance(wanted, Wanted):
            if not wanted.fits(value):
                raise ValueError(f"{key} is {value!r}. It must be {wanted.words}.")
        elif value is not None or key not in MAY_BE_NULL:
            if not isinstance(value, dict):
                raise ValueError(f"{key} is {value!r}. It must be settings: {', '.join(wanted)}.")
            _check(value, wanted, f"{key}.")
