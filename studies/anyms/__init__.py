"""AnyMS on Sprites: a vision encoder and an image adapter trained on single subjects, and what boxes do."""
