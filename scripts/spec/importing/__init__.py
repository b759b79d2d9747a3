"""From published pages to fragments below `openapi/`."""
