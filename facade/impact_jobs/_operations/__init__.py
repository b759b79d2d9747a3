"""One module per verb: wait, download, replay and the rest, each written once as a coroutine."""
