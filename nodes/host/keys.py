"""Our keys in the host's dictionaries, and FLUX's geometry as the host has it."""

WRAPPER = "musar"  # on the model: the DIFFUSION_MODEL wrapper
PLAN = "musar"  # among model_conds, and so a keyword of the diffusion model
T5 = "t5xxl"  # the host's name of FLUX's T5 token stream

LATENT_CHANNELS = 16
CELL = 8  # pixels of a latent cell, each way
PATCH = 2  # latent cells of a token, each way
TOKEN = CELL * PATCH  # pixels of a token, each way


def tokens_of(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of tokens of a latent; the host pads odd sides."""
    return -(-height // PATCH), -(-width // PATCH)
