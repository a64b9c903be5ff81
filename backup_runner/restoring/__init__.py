"""Brings files back from a snapshot."""
