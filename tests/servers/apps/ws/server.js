// A bare websocket server: what anybody sends goes to everybody, and names no sender. DEFLATE has ws's
// own options for permessage-deflate, as JSON.
import { WebSocket, WebSocketServer } from "ws";

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.env.PORT ?? 0),
  perMessageDeflate: JSON.parse(process.env.DEFLATE ?? "false"),
});

server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => {
    for (const peer of server.clients) {
      if (peer.readyState === WebSocket.OPEN) peer.send(data, { binary: isBinary });
    }
  });
});

process.on("SIGTERM", () => {
  for (const socket of server.clients) socket.close(1001, "going away");
  setTimeout(() => process.exit(0), 500);
});
server.on("listening", () => console.log(`listening on ${server.address().port}`));
