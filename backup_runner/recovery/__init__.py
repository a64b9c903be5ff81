"""Gets a catalog back from the bucket, or imports one from backup-tool."""
