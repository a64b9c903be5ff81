"""A server that speaks enough of OCI Object Storage's REST interface for clients nobody here wrote.

`python -m tests.oci_emulator --help` says how to start it; docs/emulator.md what it does and does not.
"""
