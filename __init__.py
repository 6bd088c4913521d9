"""MUSAR for ComfyUI: several reference subjects in one FLUX picture, each with its own looks."""

from .nodes import comfy_entrypoint

WEB_DIRECTORY = "./nodes/web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
