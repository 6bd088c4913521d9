"""The less kind Sprites: what routing does where subjects stand anywhere and words are freer."""
