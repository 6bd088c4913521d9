"""Routing models that were never trained for it: which way of routing helps, and which harms."""
