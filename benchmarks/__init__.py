"""Measured on your machine, into docs/benchmarks.md."""
