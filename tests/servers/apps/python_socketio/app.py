"""The same chat as ../socketio/server.js, in the other implementation of Socket.IO."""

import os
import uuid

import socketio
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

passwords: dict[str, str] = {}
sessions: dict[str, str] = {}

io = socketio.AsyncServer(
    async_mode="asgi",
    cors_allowed_origins="*",
    ping_interval=float(os.environ.get("PING_INTERVAL", "25000")) / 1000,
    ping_timeout=float(os.environ.get("PING_TIMEOUT", "20000")) / 1000,
)
users: dict[str, str] = {}
rooms: dict[str, str] = {}


async def sign_up(request):
    body = await request.json()
    if body["username"] in passwords:
        return JSONResponse({"error": "taken"}, 409)
    passwords[body["username"]] = body["password"]
    return JSONResponse({"ok": True}, 201)


async def log_in(request):
    body = await request.json()
    if passwords.get(body["username"]) != body["password"]:
        return JSONResponse({"error": "credentials"}, 401)
    token = str(uuid.uuid4())
    sessions[token] = body["username"]
    return JSONResponse({"token": token})


@io.event
async def connect(sid, environ, auth):
    user = sessions.get((auth or {}).get("token", ""))
    if user is None:
        raise socketio.exceptions.ConnectionRefusedError("not authorized")
    users[sid] = user


async def announce(room):
    await io.emit("members", [users[sid] for sid in rooms if rooms[sid] == room], room=room)


@io.event
async def join(sid, room):
    if room == "closed":
        return {"error": "closed"}
    rooms[sid] = room
    await io.enter_room(sid, room)
    await announce(room)
    return {"ok": True}


@io.on("chat message")
async def chat(sid, text):
    await io.emit("chat message", {"from": users[sid], "text": text}, room=rooms[sid])
    return {"ok": True}


@io.event
async def disconnect(sid, reason=None):
    users.pop(sid, None)
    room = rooms.pop(sid, None)
    if room:
        await announce(room)


routes = [Route("/signup", sign_up, methods=["POST"]), Route("/login", log_in, methods=["POST"])]
app = socketio.ASGIApp(io, Starlette(routes=routes))
