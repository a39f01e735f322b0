"""The vendors' other side on loopback, with manners and faults. It imports nothing of ours."""
