"""From the alerts topic to people: an outbox on disk, and one courier for each sink."""
