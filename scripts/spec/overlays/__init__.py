"""Our corrections of the vendor's description, and advice if one has lost its effect."""
