"""A bucket that is a folder."""
