"""The shipped graphs: written once as prompts, laid out by ComfyUI's own frontend."""
