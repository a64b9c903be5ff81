"""The command line: each command parses, wires engines and report together, prints, and gives an exit code."""
