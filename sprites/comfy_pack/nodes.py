"""Load the small encoders of words and of pictures like any other."""

from __future__ import annotations

import comfy.utils
import folder_paths
from comfy_api.latest import ComfyExtension, io

from .chat_encoder import is_chat, load_chat
from .narrow_sdxl import narrow_sdxl, narrow_vae
from .text_encoder import load_clip
from .vision_encoder import DemoVisionEncoder


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


class MusarDemoVisionEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MusarDemoVisionEncoder",
            display_name="MUSAR Demo Vision Encoder",
            category="MUSAR/demo",
            description="Loads the small vision encoder of the demo, which reads looks of Sprites.",
            inputs=[
                io.Combo.Input(
                    "vision_encoder",
                    options=folder_paths.get_filename_list("clip_vision"),
                    tooltip="The demo's vision encoder file.",
                )
            ],
            outputs=[io.ClipVision.Output()],
        )

    @classmethod
    def execute(cls, vision_encoder: str) -> io.NodeOutput:
        path = folder_paths.get_full_path_or_raise("clip_vision", vision_encoder)
        return io.NodeOutput(DemoVisionEncoder(comfy.utils.load_torch_file(path, safe_load=True)))


class MusarDemoSdxl(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MusarDemoSdxl",
            display_name="MUSAR Demo SDXL",
            category="MUSAR/demo",
            description="A narrow SDXL with random weights, for tests of graphs: it draws noise.",
            inputs=[
                io.Combo.Input(
                    "text_encoder",
                    options=folder_paths.get_filename_list("text_encoders"),
                    tooltip="The demo's text encoder file.",
                )
            ],
            outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls, text_encoder: str) -> io.NodeOutput:
        path = folder_paths.get_full_path_or_raise("text_encoders", text_encoder)
        state = comfy.utils.load_torch_file(path, safe_load=True)
        model = narrow_sdxl(state["words.weight"].shape[1], len(state["pool.weight"]))
        return io.NodeOutput(model, load_clip(state), narrow_vae())


class DemoExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [MusarDemoTextEncoder, MusarDemoVisionEncoder, MusarDemoSdxl]
