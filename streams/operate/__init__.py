"""What an operator does beside the running pipeline: topics, dead letters, feeding files, checking a host."""
