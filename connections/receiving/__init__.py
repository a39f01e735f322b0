"""The ingest process: it takes webhooks in, stores them, and does nothing about them itself."""
