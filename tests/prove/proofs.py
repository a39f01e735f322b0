"""Every proof by its name, in the order in which bin/prove runs them."""

PROOFS: dict[str, str] = {
    "refresh": "tests.prove.refresh",
}
