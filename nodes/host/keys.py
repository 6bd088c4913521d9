"""Our keys in the host's dictionaries."""

WRAPPER = "musar"  # on the model: the DIFFUSION_MODEL wrapper
PLAN = "musar"  # among model_conds, and so a keyword of the diffusion model
