"""What has changed between two descriptions, and what the change breaks."""
