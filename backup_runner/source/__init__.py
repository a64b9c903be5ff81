"""The disk as it is: walking, reading, attributes."""
