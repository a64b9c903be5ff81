"""One content in any format: where its bytes lie and how they are read."""
