"""One content in any format: where its bytes are and how they are read."""
