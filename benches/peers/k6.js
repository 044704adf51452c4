// Opens sockets with k6's own websocket module, parses each frame's JSON and counts by type.
import { WebSocket } from "k6/experimental/websockets";
import { Counter } from "k6/metrics";

const frames = new Counter("frames");

export const options = { vus: 1, iterations: 1, duration: `${__ENV.SECONDS}s` };

export default function () {
  for (let n = 0; n < Number(__ENV.SOCKETS); n++) {
    const socket = new WebSocket(__ENV.URL, null, { headers: { Cookie: "sessionid=1" } });
    socket.onmessage = (event) => frames.add(1, { kind: JSON.parse(event.data).type });
    setTimeout(() => socket.close(), Number(__ENV.SECONDS) * 1000 - 2000);
  }
}
