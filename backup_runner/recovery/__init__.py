"""Brings a catalog back from the bucket, or takes one over from backup-tool."""
