"""What a server says of an input, and a table's value as that input takes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


class Unfit(Exception):
    """The text says what the input wants."""


@dataclass(frozen=True)
class Spec:
    kind: str  # INT, FLOAT, BOOLEAN, STRING, IMAGE FILE, CHOICE, or anything else
    low: float | None = None
    high: float | None = None
    choices: tuple = ()

    def read(self, value: object) -> object:
        """The value as the prompt has it, or Unfit."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            raise Unfit("is missing")
        match self.kind:
            case "INT" | "FLOAT":
                return self._in_range(_number(value, self.kind))
            case "BOOLEAN":
                if str(value).lower() not in TRUE + FALSE:
                    raise Unfit("is neither true nor false")
                return str(value).lower() in TRUE
            case "CHOICE":
                found = next((c for c in self.choices if str(c) == str(value)), None)
                if found is None:
                    shown = ", ".join(map(str, self.choices[:8])) + (" …" if len(self.choices) > 8 else "")
                    raise Unfit(
                        f"is none of {shown}" if self.choices else "is none of the server's: it has none"
                    )
                return found
            case "STRING" | "IMAGE FILE":
                return str(value)
        return value

    def _in_range(self, number: float) -> float:
        if self.low is not None and number < self.low or self.high is not None and number > self.high:
            raise Unfit(f"is outside {self.low} … {self.high}")
        return number


def _number(value: object, kind: str) -> float:
    text = str(value).strip()
    if not text:
        raise Unfit("is missing")
    try:
        number = int(text) if kind == "INT" and "." not in text else float(text)
    except ValueError:
        raise Unfit("is no number") from None
    if not math.isfinite(number):
        raise Unfit("is no number")
    if kind == "INT":
        if number != int(number):
            raise Unfit("is no whole number")
        return int(number)
    return number


def spec_of(info: Mapping, kind: str, name: str, now: object) -> Spec:
    """From `/object_info`; an input that it does not list is as what the graph holds `now`."""
    listed = info[kind]["input"]
    found = listed.get("required", {}).get(name) or listed.get("optional", {}).get(name)
    if not found:
        return Spec(_like(now))
    first, more = found[0], (found[1] if len(found) > 1 else {}) or {}
    if more.get("image_upload"):
        return Spec(
            "IMAGE FILE", choices=tuple(first if isinstance(first, list) else more.get("options", ()))
        )
    if isinstance(first, list):
        return Spec("CHOICE", choices=tuple(first))
    if first == "COMBO" and "options" not in more:
        return Spec("STRING")  # listed elsewhere: only the server will know
    if first == "COMBO":
        return Spec("CHOICE", choices=tuple(more.get("options", ())))
    return Spec(first, more.get("min"), more.get("max"))


def _like(now: object) -> str:
    kinds = ((bool, "BOOLEAN"), (int, "INT"), (float, "FLOAT"), (str, "STRING"))
    return next((name for kind, name in kinds if isinstance(now, kind)), "")
