"""Globs and gitignore rules over paths as bytes."""
