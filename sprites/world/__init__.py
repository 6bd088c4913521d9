"""Pixel art of which everything is known: kinds, looks, places, scenes, captions."""
