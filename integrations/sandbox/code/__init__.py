"""Repositories and what people do in them, the same for every vendor that shows them."""
