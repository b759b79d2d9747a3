"""HTTP, threads and time: everything that blocks or that imports httpx."""
