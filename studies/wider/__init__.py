"""Sprites' base model taught up to eight subjects: is it the base or the routing that eight lack?"""
