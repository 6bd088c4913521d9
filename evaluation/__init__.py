"""The paper's figures for a table of pictures: DINO, CLIP-I, CLIP-T, and a report of one page."""
