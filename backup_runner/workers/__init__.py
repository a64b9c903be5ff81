"""Worker processes, forking, interruption and memory."""
