"""Stock python-socketio clients under the control of the integration tests, by the orders of tests/js/clients.mjs.

The client for asyncio, since the other one runs what listens in a thread for each event, in no order.
"""

import asyncio
import json
import os
import sys

import socketio

clients = {}


def say(**line):
    print(json.dumps(line), flush=True)


class Client:
    """One client, which comes back with what it held."""

    def __init__(self, number, options):
        self.number = number
        self.token = options["auth"]
        self.since = None
        self.rooms = {}  # by the ids that were asked for
        self.asked = None
        self.io = socketio.AsyncClient(
            reconnection=options.get("reconnection", False),
            reconnection_delay=options.get("reconnectionDelay", 1000) / 1000,
        )
        self.io.on("connect", self.connected)
        self.io.on("connect_error", self.refused)
        self.io.on("disconnect", lambda reason: self.heard("disconnect", reason))
        self.io.on("*", self.received)

    def auth(self):
        return {**self.token, "since": self.since, "rooms": list(self.rooms.values())} if self.since else self.token

    def heard(self, event, *args):
        say(client=self.number, event=event, args=args)

    def connected(self):
        self.answer(ok={"sid": self.io.sid})
        self.heard("connect")

    def refused(self, data):
        self.answer(error=data["message"] if isinstance(data, dict) else str(data))

    def answer(self, **outcome):
        if self.asked is not None:
            say(id=self.asked, **outcome)
        self.asked = None

    def received(self, event, *args):
        offset = args[0].get("offset") if args and isinstance(args[0], dict) else None
        if offset and not event.endswith(":resync"):
            self.since = offset
        self.heard(event, *args)

    async def connect(self, id, url, options):
        """Answers when it hears how it went: `connect` itself, once refused, waits for the poll that is under way."""
        self.asked = id
        try:
            await self.io.connect(url, auth=self.auth, transports=options.get("transports"))
        except socketio.exceptions.ConnectionError as error:
            self.answer(error=str(error))

    async def transport(self, id):
        say(id=id, ok=self.io.transport())

    async def request(self, id, event, args):
        try:
            ack = await self.io.call(event, *args, timeout=20)
        except socketio.exceptions.TimeoutError:
            return say(id=id, error="operation has timed out")
        ids = json.dumps(args)
        if event.endswith(":unsubscribe"):
            self.rooms.pop(ids, None)
        if "room" in ack:
            self.rooms[ids] = ack["room"]
            self.since = self.since or ack["offset"]
        say(id=id, ok=ack)


async def main():
    under_way = set()
    while text := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(text)
        do, number = order.pop("do"), order.pop("client")
        if do == "connect":
            clients[number] = Client(number, order["options"])
            order.pop("resumes", None)
        task = asyncio.create_task(getattr(clients[number], do)(**order))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    os._exit(0)  # whatever still waits


asyncio.run(main())
