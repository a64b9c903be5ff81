"""Checks that what is stored can be read back."""
