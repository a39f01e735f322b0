"""Every proof by its name, in the order in which bin/prove runs them."""

PROOFS: dict[str, str] = {
    "refresh": "tests.prove.refresh",
    "leeway": "tests.prove.leeway",
    "kills": "tests.prove.kills",
    "valkey": "tests.prove.valkey",
    "storm": "tests.prove.storm",
    "converge": "tests.prove.converge",
    "accepted": "tests.prove.accepted",
    "work": "tests.prove.work",
    "restore": "tests.prove.restore",
    "revocation": "tests.prove.revocation",
    "keys": "tests.prove.keys",
    "relay": "tests.prove.relay",
    "ways": "tests.prove.ways",
}
