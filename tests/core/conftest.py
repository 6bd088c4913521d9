"""Random cases without a time limit, small tensors on one thread: the machine is shared."""

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("core", deadline=None, max_examples=100)
settings.load_profile("core")
