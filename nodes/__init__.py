"""The nodes: a schema and a short `execute` each."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .anyms_adapter import AnymsAdapterLoader
from .anyms_layout import AnymsLayout
from .anyms_preview import AnymsLayoutPreview
from .conditioning import MusarConditioning
from .dual_lora import MusarDualLora
from .routing import MusarRouting
from .routing_preview import MusarRoutingPreview
from .subject import MusarSubject


class MusarExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            MusarSubject,
            MusarConditioning,
            MusarRouting,
            MusarDualLora,
            MusarRoutingPreview,
            AnymsAdapterLoader,
            AnymsLayout,
            AnymsLayoutPreview,
        ]


async def comfy_entrypoint() -> MusarExtension:
    return MusarExtension()
