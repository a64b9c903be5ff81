"""A bucket in OCI Object Storage."""
