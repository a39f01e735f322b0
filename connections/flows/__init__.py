"""What is done with a connection, one verb a file; each asks policy first and records the deed."""
