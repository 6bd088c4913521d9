"""Load the small text encoder as a CLIP like any other."""

from __future__ import annotations

import comfy.utils
import folder_paths
from comfy_api.latest import ComfyExtension, io

from .chat_encoder import is_chat, load_chat
from .text_encoder import load_clip


class MusarDemoTextEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MusarDemoTextEncoder",
            display_name="MUSAR Demo Text Encoder",
            category="MUSAR/demo",
            description="Loads the small text encoder of the demo.",
            inputs=[
                io.Combo.Input(
                    "text_encoder",
                    options=folder_paths.get_filename_list("text_encoders"),
                    tooltip="The demo's text encoder file.",
                )
            ],
            outputs=[io.Clip.Output()],
        )

    @classmethod
    def execute(cls, text_encoder: str) -> io.NodeOutput:
        path = folder_paths.get_full_path_or_raise("text_encoders", text_encoder)
        state = comfy.utils.load_torch_file(path, safe_load=True)
        return io.NodeOutput(load_chat(state) if is_chat(state) else load_clip(state))


class DemoExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [MusarDemoTextEncoder]
