"""The plain asyncio client that people often write first: opens sockets, parses each frame's JSON, counts by type.

usage: client.py WS_URL COUNT SECONDS
"""

import asyncio
import json
import sys

import websockets


async def listen(url: str, counts: dict[str, int], gate: asyncio.Semaphore) -> None:
    async with gate:
        socket = await websockets.connect(url, additional_headers={"Cookie": "sessionid=1"}, max_size=None, compression=None)
    async for text in socket:
        kind = json.loads(text).get("type")
        counts[kind] = counts.get(kind, 0) + 1


async def main(url: str, count: int, seconds: float) -> None:
    counts: dict[str, int] = {}
    gate = asyncio.Semaphore(50)
    tasks = [asyncio.create_task(listen(url, counts, gate)) for _ in range(count)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    print(counts)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
