"""The chat of FastAPI's documentation: plain text, no sign-in. The sender gets two texts."""

import contextlib

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
present: list[WebSocket] = []


async def tell_all(text: str) -> None:
    for socket in list(present):
        # A closing socket must not end the sender's connection.
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.send_text(text)


@app.websocket("/ws/{number}")
async def chat(socket: WebSocket, number: int) -> None:
    await socket.accept()
    present.append(socket)
    try:
        while True:
            text = await socket.receive_text()
            await socket.send_text(f"You wrote: {text}")
            await tell_all(f"Client #{number} says: {text}")
    except WebSocketDisconnect:
        present.remove(socket)
        await tell_all(f"Client #{number} left the chat")
