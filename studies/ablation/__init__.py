"""The paper's ablation, repeated on Sprites: four dual LoRAs, equally long in training, one judge."""
