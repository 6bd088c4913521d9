"""Judge a picture of Sprites by exact rules, from its pixels and its references alone."""

from .read import read_cells
from .verdict import Request, Verdict, judge

__all__ = ["Request", "Verdict", "judge", "read_cells"]
