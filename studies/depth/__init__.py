"""Owners on a base model with more blocks than Sprites', as FLUX has many more."""
