"""What pages read: one function and one frozen record per screen."""
