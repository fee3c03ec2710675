"""The demo: a sample stream of invented companies, and everything on one machine to hear it."""
