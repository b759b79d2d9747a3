"""From a document to a Python package: the generator, and what it cannot express."""
