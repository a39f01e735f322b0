"""The vendors' other side on loopback, with their manners and faults. It imports nothing of ours."""
