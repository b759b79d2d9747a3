"""From an open result to a file on disk: where its bytes come from, which are missing, and how they are kept."""
