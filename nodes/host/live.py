"""The owner map on MUSAR Routing itself, step by step while the sampler runs."""

from __future__ import annotations

from comfy_api import feature_flags
from comfy_api.latest import io
from comfy_execution.utils import get_executing_context
from protocol import BinaryEventTypes
from server import PromptServer

from .lettering import shown
from .maps import draw_owners
from .record import Part

SHOWS = "supports_preview_metadata"  # what a client says that can draw on a node by its id


class LivePreview:
    """Does nothing where nobody watches: outside a server, or for a client that shows no previews."""

    def __init__(self, hidden: io.HiddenHolder | None) -> None:
        node, graph = (hidden.unique_id, hidden.dynprompt) if hidden else (None, None)
        self.ids, self.run = None, None
        if node is not None and graph is not None:
            self.ids = {
                "node_id": node,
                "display_node_id": graph.get_display_node_id(node),
                "parent_node_id": graph.get_parent_node_id(node),
                "real_node_id": graph.get_real_node_id(node),
            }

    def begin(self) -> None:
        """Of a run: its own thread alone knows what executes, and MultiGPU CFG Split draws in others."""
        self.run = get_executing_context()

    def show(self, part: Part) -> None:
        """The latest step's owners, of the batch's first picture."""
        server = getattr(PromptServer, "instance", None)
        if self.ids is None or server is None or self.run is None or not part.steps:
            return
        client = server.client_id
        if client is None or not feature_flags.supports_feature(server.sockets_metadata, client, SHOWS):
            return
        latest = next(reversed(part.steps.values()))
        image = draw_owners(part, [latest], shown(part.names), 0)
        ids = self.ids | {"prompt_id": self.run.prompt_id}
        server.send_sync(BinaryEventTypes.PREVIEW_IMAGE_WITH_METADATA, (("PNG", image, None), ids), client)
