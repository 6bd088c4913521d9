"""What studies share: prompts that no training has seen, a LoRA that draws them, and the judge's figures."""
