"""Tests of the sandbox: over real sockets, in virtual time."""
