"""A companion pack that only the demo and the tests load: encoders small enough for a CPU.

The stock FLUX text encoder cannot be made small, so its place is taken by a table of word
vectors behind the host's own FLUX tokenizer. Likewise SigLIP's, by a network that reads looks of Sprites.
"""

from __future__ import annotations


async def comfy_entrypoint() -> object:
    from .nodes import DemoExtension  # the trainer reads words.py without a host

    return DemoExtension()
