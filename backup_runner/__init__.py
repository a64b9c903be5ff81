"""Encrypted backups to OCI Object Storage or a directory, run like infrastructure as code."""

__version__ = "0.1.0"
