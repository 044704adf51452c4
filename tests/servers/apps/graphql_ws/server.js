// A GraphQL chat over the subprotocol graphql-transport-ws: a mutation sends, a subscription
// receives; the token comes from POST /login and goes into connection_init. KEEP_ALIVE is in
// milliseconds.
import { createServer } from "node:http";
import { buildSchema } from "graphql";
import { CloseCode, makeServer } from "graphql-ws";
import { WebSocketServer } from "ws";

const schema = buildSchema(`
  type Message { from: String! text: String! }
  type Query { version: String! }
  type Mutation { send(text: String!): Boolean! }
  type Subscription { chat: Message! }
`);

/** A queue per subscriber, read as an async iterator. */
class Inbox {
  static all = new Set();
  #messages = [];
  #wake = () => {};
  #open = true;

  constructor() {
    Inbox.all.add(this);
  }
  put(message) {
    this.#messages.push(message);
    this.#wake();
  }
  [Symbol.asyncIterator]() {
    return this;
  }
  async next() {
    while (this.#open && this.#messages.length === 0) await new Promise((wake) => (this.#wake = wake));
    return this.#open ? { value: { chat: this.#messages.shift() }, done: false } : { value: undefined, done: true };
  }
  async return() {
    this.#open = false;
    Inbox.all.delete(this);
    this.#wake();
    return { value: undefined, done: true };
  }
}

const roots = {
  query: { version: () => "1" },
  mutation: {
    send: ({ text }, { user }) => {
      for (const inbox of Inbox.all) inbox.put({ from: user, text });
      return true;
    },
  },
  subscription: { chat: () => new Inbox() },
};

const protocol = makeServer({
  schema,
  roots,
  context: (connection) => ({ user: connection.extra.user }),
  onConnect: (connection) => {
    const token = connection.connectionParams?.token ?? "";
    if (!token.startsWith("token-")) return false;
    connection.extra.user = token.slice("token-".length);
    return true;
  },
});

const http = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    if (request.method !== "POST" || request.url !== "/login") return response.writeHead(404).end();
    const { username, password } = JSON.parse(body);
    if (!password || password === "wrong") return response.writeHead(401).end();
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ accessToken: `token-${username}` }));
  });
});

const sockets = new WebSocketServer({ server: http, path: "/graphql", handleProtocols: () => "graphql-transport-ws" });
sockets.on("connection", (socket, request) => {
  const keepAlive = setInterval(() => socket.ping(), Number(process.env.KEEP_ALIVE ?? 12000));
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: (data) => new Promise((done, fail) => socket.send(data, (error) => (error ? fail(error) : done()))),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (receive) =>
        socket.on("message", async (data) => {
          try {
            await receive(data.toString());
          } catch {
            socket.close(CloseCode.InternalServerError, "internal error");
          }
        }),
    },
    { request },
  );
  socket.once("close", (code, reason) => {
    clearInterval(keepAlive);
    closed(code, reason.toString());
  });
});

process.on("SIGTERM", () => {
  for (const socket of sockets.clients) socket.close(1001, "going away");
  setTimeout(() => process.exit(0), 500);
});
http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.log(`listening on ${http.address().port}`));
