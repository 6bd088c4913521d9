"""From pairs of pictures to weights: under diffusers, never under ComfyUI."""
