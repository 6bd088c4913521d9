"""A set like MUSAR-Gen of one's own: pairs of subjects drawn together, the good ones kept for training."""
