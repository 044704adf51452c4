// A Socket.IO chat as applications write it: accounts over HTTP, a token in the namespace connect,
// rooms, acknowledged joins and messages. PING_INTERVAL and PING_TIMEOUT are in milliseconds.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import express from "express";
import { Server } from "socket.io";

const passwords = new Map();
const sessions = new Map();

const app = express();
app.use(express.json());

app.post("/signup", (request, response) => {
  const { username, password } = request.body;
  if (passwords.has(username)) return response.status(409).json({ error: "taken" });
  passwords.set(username, password);
  response.status(201).json({ ok: true });
});

app.post("/login", (request, response) => {
  const { username, password } = request.body;
  if (passwords.get(username) !== password) return response.status(401).json({ error: "credentials" });
  const token = randomUUID();
  sessions.set(token, username);
  response.json({ token });
});

const http = createServer(app);
const io = new Server(http, {
  pingInterval: Number(process.env.PING_INTERVAL ?? 25000),
  pingTimeout: Number(process.env.PING_TIMEOUT ?? 20000),
});

io.use((socket, next) => {
  socket.data.user = sessions.get(socket.handshake.auth.token);
  next(socket.data.user ? undefined : new Error("not authorized"));
});

async function announce(room) {
  const present = await io.in(room).fetchSockets();
  io.to(room).emit("members", present.map((socket) => socket.data.user));
}

io.on("connection", (socket) => {
  socket.on("join", async (room, acknowledge) => {
    if (room === "closed") return acknowledge?.({ error: "closed" });
    socket.data.room = room;
    await socket.join(room);
    await announce(room);
    acknowledge?.({ ok: true });
  });
  socket.on("chat message", (text, acknowledge) => {
    io.to(socket.data.room).emit("chat message", { from: socket.data.user, text });
    acknowledge?.({ ok: true });
  });
  socket.on("disconnect", () => socket.data.room && announce(socket.data.room));
});

process.on("SIGTERM", () => {
  io.close();
  setTimeout(() => process.exit(0), 500);
});
http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.log(`listening on ${http.address().port}`));
