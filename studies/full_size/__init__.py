"""The trainer at full size with random weights: what a step takes, against training/estimate.py."""
