"""An export in windows: one job for each part of a long range, and one file each, or one of all."""
