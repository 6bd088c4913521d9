"""Sprites by the thousand: the table of a batch, its throughput, and the judge's figures of it."""
