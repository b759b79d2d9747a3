"""Decisions without I/O: when to retry, when to poll, how fast to send, whose replay a job is."""
