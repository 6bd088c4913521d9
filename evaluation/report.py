"""One HTML page with everything in it: the table, each subject, the worst and the best pictures."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from .samples import Sample, pixels
from .table import COLUMNS, PAPER, Mean, Scored, by_subject, means

SHOWN, SIDE = 12, 160  # cases of each kind; pixels
PLOT, EDGE = 420, 46
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .3em .8em; text-align: left }
tr { border-bottom: 1px solid #ddd } td small, p small, figcaption { color: #666 } .paper { color: #777 }
.cases { display: flex; flex-wrap: wrap; gap: 14px } figure { margin: 0; width: 250px } img { height: 120px }
figcaption { font-size: 13px } svg text { font-size: 12px; fill: #444 }
circle { fill: #0072b2; opacity: .7 } rect { fill: none; stroke: #ccc }
"""


def write_report(file: Path, title: str, told: Sequence[str], names: Sequence[str], scored: Scored) -> None:
    pages = [
        f"<h1>{html.escape(title)}</h1>",
        "".join(f"<p><small>{html.escape(line)}</small></p>" for line in told),
        _table(names, means(scored, names)),
        *(_paper() if set(names) & set(COLUMNS) else ()),
        _scatter(names, scored),
        *_cases(names, scored),
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    file.write_text(f"{head}<style>{STYLE}</style>{''.join(pages)}</html>", encoding="utf-8")


def lines(names: Sequence[str], found: Mapping[str, Mapping[str, Mean]]) -> list[str]:
    """The table in Markdown."""
    rows = [f"| pictures | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for part, figures in found.items():
        shown = [_written(figures[n]) if n in figures else "–" for n in names]
        rows.append(f"| {part} ({_counted(figures)}) | {' | '.join(shown)} |")
    return rows


def _counted(figures: Mapping[str, Mean]) -> str:
    most = max(figures.values(), key=lambda m: m.pictures)
    return f"{most.cases} prompts, {most.pictures} pictures"


def _written(mean: Mean) -> str:
    digits = 2 if abs(mean.value) > 2 else 3
    return f"{mean.value:.{digits}f} ({mean.low:.{digits}f}–{mean.high:.{digits}f})"


def _table(names: Sequence[str], found: Mapping[str, Mapping[str, Mean]]) -> str:
    rows = ["<tr><th>pictures" + "".join(f"<th>{html.escape(n)}" for n in names)]
    for part, figures in found.items():
        cells = "".join(f"<td>{_written(figures[n]) if n in figures else '–'}" for n in names)
        rows.append(f"<tr><td>{part} <small>{_counted(figures)}</small>{cells}")
    return f"<h2>Means</h2><p>95 % intervals by bootstrap over prompts.</p><table>{''.join(rows)}</table>"


def _paper() -> list[str]:
    heads = "".join(f"<th>{part} {name}" for part in ("single", "several") for name in COLUMNS)
    rows = [
        f"<tr class=paper><td>{name}" + "".join(f"<td>{'–' if v is None else v}" for v in values)
        for name, values in PAPER.items()
    ]
    return [
        "<h2>The paper's Table 1, quoted</h2><p>Not comparable as they stand: the paper tells neither its "
        "pairs and triplets nor which DINO and CLIP it used.</p>",
        f"<table><tr><th>{heads}{''.join(rows)}</table>",
    ]


def _scatter(names: Sequence[str], scored: Scored) -> str:
    """A dot a reference, in the first two figures."""
    subjects = by_subject(scored, names)
    across, up = (*names, names[0])[:2]
    points = [(f[across], f[up], file) for file, f in subjects.items() if across in f and up in f]
    if not points:
        return ""
    (left, right), (low, high) = (_ends([p[k] for p in points]) for k in (0, 1))
    dots = []
    for x, y, file in points:
        cx = EDGE + (x - left) / (right - left) * (PLOT - 2 * EDGE)
        cy = PLOT - EDGE - (y - low) / (high - low) * (PLOT - 2 * EDGE)
        words = html.escape(f"{Path(file).parent.name}/{Path(file).name}: {across} {x:.3f}, {up} {y:.3f}")
        dots.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="5"><title>{words}</title></circle>')
    inside = PLOT - 2 * EDGE
    frame = f'<rect x="{EDGE}" y="{EDGE}" width="{inside}" height="{inside}"/>'
    labels = (
        f'<text x="{EDGE}" y="{PLOT - EDGE + 18}">{left:.3f}</text>'
        f'<text x="{PLOT - EDGE}" y="{PLOT - EDGE + 18}" text-anchor="end">{right:.3f}</text>'
        f'<text x="{PLOT / 2}" y="{PLOT - 8}" text-anchor="middle">{html.escape(across)}</text>'
        f'<text x="{EDGE - 4}" y="{PLOT - EDGE}" text-anchor="end">{low:.3f}</text>'
        f'<text x="{EDGE - 4}" y="{EDGE + 10}" text-anchor="end">{high:.3f}</text>'
        f'<text x="4" y="{EDGE - 12}">{html.escape(up)}</text>'
    )
    return (
        f"<h2>Each subject</h2><p>A dot a reference: the mean over its pictures.</p>"
        f'<svg width="{PLOT}" height="{PLOT}">{frame}{labels}{"".join(dots)}</svg>'
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.05 or 0.01
    return low - room, high + room


def _cases(names: Sequence[str], scored: Scored) -> list[str]:
    """By the first figure."""
    name = names[0]
    order = sorted((s for s in scored if s[1][name] is not None), key=lambda s: s[1][name])
    shown = min(SHOWN, (len(order) + 1) // 2)
    pages = []
    for words, some in (("Worst", order[:shown]), ("Best", order[::-1][:shown])):
        figures = "".join(_case(sample, found) for sample, found in some)
        pages.append(f"<h2>{words} by {html.escape(name)}</h2><div class=cases>{figures}</div>")
    return pages


def _case(sample: Sample, figures: Mapping[str, float | None]) -> str:
    pictures = [_picture(sample.file), *(_picture(views[0], 56) for views in sample.references)]
    told = ", ".join(f"{n} {'–' if v is None else f'{v:.3f}'}" for n, v in figures.items())
    seed = "" if sample.seed is None else f", seed {sample.seed}"
    words = f"{html.escape(sample.prompt + seed)}<br>{html.escape(told)}"
    return f"<figure>{''.join(pictures)}<figcaption>{words}</figcaption></figure>"


def _picture(file: str, height: int = 120) -> str:
    image = Image.fromarray(pixels(file))
    if max(image.size) > SIDE:
        image.thumbnail((2 * SIDE, SIDE))
    data = io.BytesIO()
    image.save(data, "PNG" if image.width * image.height < 20_000 else "JPEG", quality=85)
    kind = "png" if data.getvalue()[:4] == b"\x89PNG" else "jpeg"
    text = base64.b64encode(data.getvalue()).decode()
    name = html.escape(Path(file).name)
    return f'<img style="height:{height}px" src="data:image/{kind};base64,{text}" alt="{name}"> '
