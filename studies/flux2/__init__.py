"""Sprites of FLUX.2, which was trained seeing everything: routed and not."""
