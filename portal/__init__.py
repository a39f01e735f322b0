"""The ground: who is asking, for which organization, may they, and is it on record."""
