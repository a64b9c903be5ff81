"""Restores files from a snapshot."""
