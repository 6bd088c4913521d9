"""README's first figure: identity by number of subjects, without routing and with it, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

WIDTH, HEIGHT, LEFT, TOP, GAP = 250, 190, 44, 76, 34  # of a panel's field, and what is around it
COLOURS = ("#8a8f98", "#0072b2", "#d55e00")  # of the ways, in order
TICKS = (0, 0.25, 0.5, 0.75, 1)

Means = Mapping[str, Sequence[Sequence[float]]]  # way: a run: its mean identity with 1, 2, 3 … subjects


def write_chart(file: Path, panels: Mapping[str, Means], title: str) -> None:
    """A panel a model; a thin line a run, and a thick one through their mean."""
    ways = list(dict.fromkeys(way for means in panels.values() for way in means))
    colours = dict(zip(ways, COLOURS))
    width, height = LEFT + len(panels) * (WIDTH + GAP), TOP + HEIGHT + 48
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(LEFT, 20, title, size=14, weight="bold"),
    ]
    x = LEFT
    for way, colour in colours.items():
        out.append(_line([(x, 35), (x + 22, 35)], colour, 3))
        out.append(_text(x + 28, 39, way))
        x += 48 + 7 * len(way)
    for k, (name, means) in enumerate(panels.items()):
        out += _panel(LEFT + k * (WIDTH + GAP), name, means, colours)
    file.write_text("\n".join([*out, "</svg>"]) + "\n")


def _panel(left: float, name: str, means: Means, colours: Mapping[str, str]) -> list[str]:
    count = max(len(run) for runs in means.values() for run in runs)

    def at(subjects: int, identity: float) -> tuple[float, float]:
        across = WIDTH * (subjects - 0.5) / count
        return left + across, TOP + HEIGHT * (1 - identity)

    out = [_text(left + WIDTH / 2, TOP - 6, name, anchor="middle", weight="bold")]
    for tick in TICKS:
        y = at(1, tick)[1]
        out.append(_line([(left, y), (left + WIDTH, y)], "#dddddd", 1))
        if left == LEFT:
            out.append(_text(left - 6, y + 4, f"{tick:g}", anchor="end"))
    for subjects in range(1, count + 1):
        out.append(_text(at(subjects, 0)[0], TOP + HEIGHT + 16, str(subjects), anchor="middle"))
    out.append(_text(left + WIDTH / 2, TOP + HEIGHT + 34, "subjects in the picture", anchor="middle"))
    for way, runs in means.items():
        if len(runs) > 1:
            out += [_line([at(i, v) for i, v in enumerate(run, 1)], colours[way], 1) for run in runs]
        mean = np.mean(runs, 0)
        points = [at(i, float(v)) for i, v in enumerate(mean, 1)]
        out.append(_line(points, colours[way], 3))
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colours[way]}"/>' for x, y in points]
    return out


def _line(points: Sequence[tuple[float, float]], colour: str, width: float) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, words: str, anchor: str = "start", size: int = 12, weight: str = "") -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{bold}>{words}</text>'
