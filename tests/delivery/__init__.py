"""A real MinIO delivers its events to the real service."""
