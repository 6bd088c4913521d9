"""What is trained: diffusers' FLUX with routed attention and a LoRA, and the batches that it reads."""
