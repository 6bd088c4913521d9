"""AnyMS Adapter Loader: an image adapter from its file."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from .host.anyms.adapter_files import read_adapter
from .host.notice import NONE

FOLDER = "ipadapter"
FILES = (".safetensors", ".sft", ".bin", ".pt", ".pth", ".ckpt")  # pickles are listed to be told what to do
AdapterType = io.Custom("ANYMS_ADAPTER")
folder_paths.add_model_folder_path(FOLDER, str(Path(folder_paths.models_dir) / FOLDER))


class AnymsAdapterLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AnymsAdapterLoader",
            display_name="MUSAR AnyMS Adapter Loader",
            category="MUSAR",
            description="Loads a pretrained image adapter for AnyMS Layout: InstantX's or XLabs' for FLUX.1, "
            "IP-Adapter, plus or plus-face for SDXL. Safetensors only.",
            search_aliases=["ip adapter", "ipadapter", "image adapter", "anyms"],
            inputs=[
                io.Combo.Input(
                    "adapter",
                    options=[f for f in folder_paths.get_filename_list(FOLDER) if f.endswith(FILES)],
                    tooltip="A file of models/ipadapter. Its kind is read off its keys.",
                ),
                io.Combo.Input(
                    "siglip",
                    options=[NONE, *folder_paths.get_filename_list("clip_vision")],
                    default=NONE,
                    tooltip="For InstantX's adapter alone: the file of SigLIP so400m-384 that Load CLIP "
                    "Vision reads, for its pooling head, which ComfyUI leaves out.",
                ),
            ],
            outputs=[AdapterType.Output(display_name="adapter", tooltip="Goes into MUSAR AnyMS Layout.")],
        )

    @classmethod
    def execute(cls, adapter: str, siglip: str = NONE) -> io.NodeOutput:
        path = Path(folder_paths.get_full_path_or_raise(FOLDER, adapter))
        head = None
        if siglip != NONE:
            head = Path(folder_paths.get_full_path_or_raise("clip_vision", siglip))
        return io.NodeOutput(read_adapter(path, head))
