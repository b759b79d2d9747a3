"""Decisions without I/O: when to retry, when to poll, how fast to send, and which call made which job."""
