"""Controlled worlds: skills, the quadratic world, the tiny base model."""
