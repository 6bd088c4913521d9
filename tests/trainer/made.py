"""Data sets made for a test: small, and in colours that tell where a crop lies."""

import io

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from training.data.pair import BadRow, Pair, Source

SIDE = 64
FIVES = {"compositeStructure": 5, "objectConsistency": 5, "imageQuality": 5}
PADDING_COLOUR = (0, 0, 0)


def flat(colour, height=SIDE, width=SIDE):
    return np.full((height, width, 3), colour, np.uint8)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def composite(left, right, gutter=16, margin=8, side=SIDE):
    """Two squares, each framed in white by a pixel so that a crop one pixel off shows."""
    picture = flat(PADDING_COLOUR, side + 16, 8 + side + gutter + side + margin)
    for start, colour in ((8, left), (8 + side + gutter, right)):
        picture[8 : 8 + side, start : start + side] = 255
        picture[9 : 7 + side, start + 1 : start + side - 1] = colour
    return picture


def subject_row(item="cat", category=None, number=0, quality=FIVES, image=None, valid=True, **more):
    if image is None:
        image = png(composite((200, number % 256, 0), (0, number % 256, 200)))
    return {
        "image": {"bytes": image, "path": None},
        "collection": "collection_2",
        "quality_assessment": quality,
        "description": {
            "item": item,
            "description_0": f"Left, this item is number {number}.",
            "description_1": f"Right, this item is number {number}.",
            "category": category,
            "description_valid": valid,
        },
        **more,
    }


def write_shard(file, rows, groups=100, without=()):
    rows = [{name: value for name, value in row.items() if name not in without} for row in rows]
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), file, row_group_size=groups)


def write_pair(folder, caption='{"words": "a cat", "caption": "a cat on a sofa"}', colour=(200, 0, 0)):
    folder.mkdir(parents=True)
    (folder / "ref.png").write_bytes(png(flat(colour)))
    (folder / "target.png").write_bytes(png(flat(colour, 48, 32)))
    if caption is not None:
        (folder / "caption.json").write_text(caption)
    return folder


class Made(Source):
    """Pairs of kinds as told; rows of `bad` cannot be read, and `reads` says what was read."""

    name = "made"

    def __init__(self, kinds, bad=(), subjects=None, groups=None):
        self.kinds, self.bad, self.reads = list(kinds), set(bad), []
        self.subjects, self.together = subjects, groups

    def __len__(self):
        return len(self.kinds)

    def __getitem__(self, row):
        self.reads.append(row)
        if row in self.bad:
            raise BadRow(f"{self.where(row)}: it is torn.", "torn")
        kind = self.kinds[row]
        colour = flat((row % 256, row // 256, 7), 4, 4)
        return Pair(colour, colour, f"a {kind}", f"a {kind}, number {row}", kind)

    def kind(self, row):
        return self.kinds[row]

    def subject(self, row):
        return row if self.subjects is None else self.subjects[row]

    def groups(self):
        return self.together or super().groups()


def row_numbers(example):
    """Which rows of Made are in an example."""
    return [int(r.image[0, 0, 0]) + 256 * int(r.image[0, 0, 1]) for r in example.references]
