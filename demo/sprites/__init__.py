"""Sprites: a small world of pixel art in which everything about a picture is known."""
