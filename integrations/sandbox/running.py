"""The running sandbox: the vendors' port, the control port, their clock, faults and journal.

`with Sandbox() as sandbox:` runs it in a thread on free ports, for tests; `serve` runs it in front.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from integrations.sandbox import first_party, vendors
from integrations.sandbox.atlassian.vendor import Atlassian
from integrations.sandbox.bitbucket_cloud.commands import Commands
from integrations.sandbox.bitbucket_cloud.grants import GrantCommands
from integrations.sandbox.bitbucket_cloud.switches import RATE_LIMIT
from integrations.sandbox.bitbucket_cloud.vendor import BitbucketCloud
from integrations.sandbox.bitbucket_data_center.commands import DataCenterCommands
from integrations.sandbox.bitbucket_data_center.vendor import BitbucketDataCenter
from integrations.sandbox.clock import Clock
from integrations.sandbox.control import Control
from integrations.sandbox.faults import Fault, FaultBook, Produce, Words, strike, usual
from integrations.sandbox.http import Request, Response, Sender, Server, json_response, send_whole
from integrations.sandbox.journal import Journal
from integrations.sandbox.latency import Latency
from integrations.sandbox.webhook_control import WebhookCommands
from integrations.sandbox.webhook_sender import WebhookSender

HOST = "127.0.0.1"
KEEP_SECONDS = 1.0
START_SECONDS = 30.0


class Sandbox:
    """Both ports over one state. A port of 0 is any free one; `url` and `control_url` tell."""

    def __init__(
        self,
        *,
        port: int = 0,
        control_port: int = 0,
        seed: int = 7,
        repositories: int | None = None,
        callbacks: list[str] | None = None,
        rate_limit: int = RATE_LIMIT,
        state_file: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._ports = (port, control_port)
        self._state_file = state_file
        self.clock = Clock()
        self.faults = FaultBook()
        self.journal = Journal()
        self.latency = Latency()
        self.outage = ""
        self.sender = WebhookSender(self.clock.now)
        self.bitbucket = BitbucketCloud(
            self.clock,
            seed=seed,
            repositories=repositories,
            callbacks=callbacks,
            rate_limit=rate_limit,
            sender=self.sender,
        )
        self.data_center = BitbucketDataCenter(
            self.clock,
            repositories=repositories,
            callbacks=callbacks_for(callbacks, BitbucketDataCenter.slug),
            sender=self.sender,
        )
        told = partial(callbacks_for, callbacks)
        self.others = [made(self.clock, told, seed) for made in vendors.VENDORS]
        self.data_center_commands = DataCenterCommands(self.data_center)
        self.commands = Commands(self.bitbucket)
        self.grants = GrantCommands(self.bitbucket)
        self.webhooks = WebhookCommands(self.sender, [self.bitbucket, self.data_center])
        self._restore()
        self._join()
        self._by_address = {
            address: (vendor, real)
            for vendor in self.others
            for real, address in vendor.HOSTS.items()
        }
        self._addresses = [HOST, *self._by_address]
        self._vendors = Server(self._answer, tls)
        self._control = Server(Control(self).answer)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"{self._vendors.scheme}://{HOST}:{self._vendors.port}"

    @property
    def control_url(self) -> str:
        return f"http://{HOST}:{self._control.port}"

    def reset(self) -> None:
        """Return world, credentials, switches, faults, latency and journal to the start.

        An outage ends by `suffer` alone, because ports open and close by and by.
        """
        self.clock.offset_seconds = 0.0
        self.latency.forget()
        self.faults.withdraw()
        self.journal.forget()
        self.sender.forget()
        self.bitbucket.reset()
        self.data_center.reset()
        for vendor in self.others:
            vendor.reset()
        self._join()

    def _join(self) -> None:
        """Bitbucket's own link to Jira knows both as they are now."""
        for vendor in self.others:
            if isinstance(vendor, Atlassian):
                first_party.join(self.bitbucket, vendor)

    # ── answering ─────────────────────────────────────────────────────────────────────────────

    async def _answer(self, request: Request) -> Response:
        arrived = time.monotonic()
        vendor, real = self._by_address.get(request.host, (None, ""))
        if vendor is not None:
            request.notes["host"] = real.removeprefix("https://")
        fault = None if self.outage else self.faults.meeting(request)
        words = vendor.words if vendor else usual
        produce = partial(vendor.answer, request, real) if vendor else partial(self._first, request)
        response = words(503) if self.outage else spoiled(fault, request, produce, words)
        if seconds := self.latency.of(request):
            response.send = delayed(arrived + seconds, response)
        kind = fault.kind if fault else self.outage
        self.journal.note(request, at=self.clock.now(), status=response.status, fault=kind)
        return response

    def _first(self, request: Request) -> Response:
        """Let Bitbucket answer, Data Center or Cloud."""
        if self.data_center.serves(request.path):
            return self.data_center.answer(request)
        return self.bitbucket.answer(request)

    async def suffer(self, outage: str) -> None:
        """Be down: `refused` closes the vendors' port, `unavailable` answers 503; empty ends it."""
        if self.outage == "refused" and outage != "refused":
            await self._vendors.open(self._addresses, self._vendors.port)
        elif outage == "refused" and self.outage != "refused":
            await self._vendors.close()
        self.outage = outage

    # ── running ───────────────────────────────────────────────────────────────────────────────

    async def serve(self, opened: threading.Event | None = None) -> None:
        """Serve both ports until `stop`. Raises OSError when a port is taken."""
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        await self._vendors.open(self._addresses, self._ports[0])
        self.bitbucket.origin = self.data_center.origin = self.url
        for vendor in self.others:
            vendor.port, vendor.scheme = self._vendors.port, self._vendors.scheme
        await self._control.open([HOST], self._ports[1])
        keeper = asyncio.create_task(self._keep_regularly())
        if opened is not None:
            opened.set()
        await self._stopping.wait()
        keeper.cancel()
        await self._vendors.close()
        await self._control.close()
        self.sender.stop()
        self.keep()

    def stop(self) -> None:
        """End `serve`, from any thread."""
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    def __enter__(self) -> Sandbox:
        opened = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self.serve(opened)), name="sandbox", daemon=True
        )
        self._thread.start()
        if not opened.wait(START_SECONDS):
            raise RuntimeError("the sandbox did not open its ports")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join(START_SECONDS)

    # ── keeping credentials over a restart ────────────────────────────────────────────────────

    async def _keep_regularly(self) -> None:
        kept = self._marks()
        while self._state_file is not None:
            await asyncio.sleep(KEEP_SECONDS)
            if self._marks() != kept:
                kept = self._marks()
                self.keep()

    def _marks(self) -> tuple[float, ...]:
        marks = (*self.bitbucket.mark(), *self.data_center.mark())
        others = (mark for vendor in self.others for mark in vendor.mark())
        return self.clock.offset_seconds, *marks, *others

    def kept(self) -> dict[str, Any]:
        """What outlives a restart: issued tokens, grants, hooks and the clock."""
        return {
            "clock": self.clock.offset_seconds,
            "bitbucket": self.bitbucket.keep(),
            "data_center": self.data_center.keep(),
            "others": {vendor.slug: vendor.keep() for vendor in self.others},
        }

    def keep(self) -> None:
        """Write that, so that connections outlive a restart."""
        if self._state_file is None:
            return
        draft = self._state_file.with_suffix(".new")
        draft.write_text(json.dumps(self.kept()))
        draft.replace(self._state_file)

    def _restore(self) -> None:
        if self._state_file is None or not self._state_file.exists():
            return
        self.resume(json.loads(self._state_file.read_text()))

    def resume(self, kept: dict[str, Any]) -> None:
        """Go on with what `kept` told."""
        self.clock.offset_seconds = kept["clock"]
        self.bitbucket.restore(kept["bitbucket"])
        if "data_center" in kept:
            self.data_center.restore(kept["data_center"])
        for vendor in self.others:
            if vendor.slug in kept.get("others", {}):
                vendor.restore(kept["others"][vendor.slug])
        self._join()


def callbacks_for(callbacks: list[str] | None, slug: str) -> list[str]:
    """The same portals' callbacks for another product."""
    return [each.replace(f"/{BitbucketCloud.slug}/", f"/{slug}/") for each in callbacks or ()]


def spoiled(fault: Fault | None, request: Request, produce: Produce, words: Words) -> Response:
    """Let the vendor answer and the fault strike; a mistake of ours is a 500 that says so."""
    try:
        return produce() if fault is None else strike(fault, request, produce, words)
    except Exception as error:  # the outermost frame of a request
        return json_response({"sandbox_failed": repr(error)}, 500)


def delayed(due: float, response: Response) -> Sender:
    """Send a response as it would be sent, once it is due by `time.monotonic`."""
    send = response.send or send_whole

    async def wait_and_send(writer: asyncio.StreamWriter, spoiled: Response) -> bool:
        await asyncio.sleep(due - time.monotonic())
        return await send(writer, spoiled)

    return wait_and_send
