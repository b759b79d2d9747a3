"""What the facade relies on in the description."""
