"""A small world in which truth is known: its pictures, its judge, its words. Needs no host to be read."""
