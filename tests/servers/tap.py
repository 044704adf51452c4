"""A TCP proxy in front of a chat server that counts soakrig's messages by itself: which were sent, and
on which connections each arrived. It can hold what clients send, and let it go in one burst.

It shares nothing with soakrig but the beginning of a marker.
"""

import asyncio
import collections
import re
import threading

MARKER = re.compile(rb"sr2-[0-9a-z]+-[0-9a-z]+-[0-9a-z]+-[0-9a-z]+")


def frames(buffer):
    """Takes the whole websocket frames (RFC 6455, 5.2) out of a buffer; their payloads, unmasked."""
    payloads = []
    while len(buffer) >= 2:
        masked, length, at = buffer[1] & 0x80, buffer[1] & 0x7F, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length, at = int.from_bytes(buffer[2:2 + size], "big"), 2 + size
        mask = bytes(buffer[at:at + 4]) if masked else bytes(4)
        at += 4 if masked else 0
        if len(buffer) < at + length:
            break
        payloads.append(bytes(byte ^ mask[n % 4] for n, byte in enumerate(buffer[at:at + length])))
        del buffer[:at + length]
    return payloads


class Direction:
    """What goes one way on one connection: HTTP first, websocket frames behind an upgrade."""

    def __init__(self):
        self.is_websocket = False
        self.buffer = bytearray()

    def feed(self, data):
        """The markers in what came."""
        self.buffer += data
        if not self.is_websocket:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end or b"upgrade: websocket" not in bytes(head).lower():
                return []
            self.is_websocket, self.buffer = True, bytearray(rest)
        return [found.group() for payload in frames(self.buffer) if (found := MARKER.search(payload))]


class Tap:
    """The proxy, on a thread of its own."""

    def __init__(self, port):
        self.server_port = port
        # Each marker that was sent, with the connections that were open then.
        self.sent = {}
        # The markers that arrived, by connection.
        self.arrived = collections.defaultdict(set)
        self.holding = False
        self.held = []
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        threading.Thread(target=self.run, args=(started,), daemon=True).start()
        assert started.wait(60)

    @property
    def url(self):
        """The base of the server's addresses, through the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, started):
        """Serves until the loop is stopped."""
        asyncio.set_event_loop(self.loop)
        listener = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.port = listener.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()

    async def serve(self, reader, writer):
        """One connection, both ways."""
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        number = len(self.arrived)
        there, back = Direction(), Direction()

        async def upwards():
            while data := await reader.read(65536):
                markers = there.feed(data)
                self.sent.update({marker: tuple(self.arrived) for marker in markers})
                if self.holding and there.is_websocket:
                    self.held.append((up_writer, data))
                else:
                    up_writer.write(data)
            up_writer.close()

        async def downwards():
            while data := await up_reader.read(65536):
                markers = back.feed(data)
                if back.is_websocket:
                    self.arrived[(number, id(writer))].update(markers)
                writer.write(data)
            writer.close()

        await asyncio.gather(upwards(), downwards(), return_exceptions=True)

    def hold(self):
        """From now on nothing that clients send on websockets goes on."""
        self.loop.call_soon_threadsafe(setattr, self, "holding", True)

    def release(self):
        """Everything that was held goes on at once, and what comes behind it."""

        def let_go():
            self.holding = False
            for writer, data in self.held:
                writer.write(data)
            self.held.clear()

        self.loop.call_soon_threadsafe(let_go)

    def missing(self):
        """How many deliveries did not come: of each message, on each connection that was open."""
        return sum(marker not in self.arrived[one] for marker, open_then in self.sent.items() for one in open_then)

    def report(self):
        """The messages that did not arrive everywhere: their place among all, and on how many connections."""
        counts = [sum(marker not in self.arrived[one] for one in open_then) for marker, open_then in self.sent.items()]
        return f"{len(counts)} messages, missing: {[(at, count) for at, count in enumerate(counts) if count]}"

    def close(self):
        """Ends it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
