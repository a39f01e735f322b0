"""`python -m integrations.sandbox`: the vendors' other side on loopback, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from integrations.sandbox.bitbucket_cloud.switches import RATE_LIMIT
from integrations.sandbox.running import Sandbox

CALLBACKS = [
    "http://localhost:8000/oauth/bitbucket-cloud/callback",
    "http://127.0.0.1:8000/oauth/bitbucket-cloud/callback",
]


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m integrations.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8801, help="where the vendors answer")
    parser.add_argument("--control-port", type=int, default=8802, help="where faults are ordered")
    parser.add_argument("--repositories", type=int, help="how many the first workspace has (240)")
    parser.add_argument(
        "--rate-limit", type=int, default=RATE_LIMIT, help="of an account in an hour"
    )
    parser.add_argument("--seed", type=int, default=7, help="another seed, another world")
    parser.add_argument(
        "--callback",
        action="append",
        metavar="URL",
        help="callback URL of the known OAuth consumers (repeat for several)",
    )
    parser.add_argument("--state", type=Path, help="file that keeps issued tokens over restarts")
    parser.add_argument("--quiet", action="store_true", help="do not list demo credentials")
    return parser.parse_args(words)


async def run(sandbox: Sandbox, *, quiet: bool) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, sandbox.stop)
    asyncio.get_running_loop().call_later(0.2, announce, sandbox, quiet)
    await sandbox.serve()


def announce(sandbox: Sandbox, quiet: bool) -> None:
    """Say where it answers and with what one may try it."""
    print(f"Bitbucket Cloud sandbox: {sandbox.url}   control: {sandbox.control_url}")
    place = sandbox.url + sandbox.data_center.switches.context_path
    print(f"Bitbucket Data Center sandbox: {place}")
    if not quiet:
        known = sandbox.commands.describe()
        print("Everything is made up; these credentials open nothing but this sandbox.")
        for consumer in known["consumers"]:
            print(f"  consumer {consumer['name']}: {consumer['about']}")
            print(f"    key {consumer['key']}  secret {consumer['secret']}")
        for token in known["tokens"]:
            print(f"  {token['kind']} {token['about']}")
            print(f"    {token['email'] + '  ' if token['email'] else ''}{token['token']}")
        for client in sandbox.data_center.registry.clients.values():
            print(f"  client of {place}\n    key {client.client_id}  secret {client.secret}")
        for one in sandbox.data_center.registry.tokens.values():
            print(f"  HTTP access token {one.about} ({one.kind})\n    {one.token}")
    for vendor in sandbox.others:
        places = ", ".join(vendor.at(origin) for origin in vendor.HOSTS)
        print(f"Sandbox of {vendor.slug}: {places}")
        for line in () if quiet else vendor.announce():
            print(f"  {line}")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    options = arguments(words)
    sandbox = Sandbox(
        port=options.port,
        control_port=options.control_port,
        seed=options.seed,
        repositories=options.repositories,
        rate_limit=options.rate_limit,
        callbacks=options.callback or CALLBACKS,
        state_file=options.state,
    )
    try:
        asyncio.run(run(sandbox, quiet=options.quiet))
    except OSError as error:
        print(f"The sandbox cannot listen: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
