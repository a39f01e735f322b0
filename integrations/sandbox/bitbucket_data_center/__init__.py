"""The other side of a Bitbucket Data Center: one server below a context path."""
