// SPDX-License-Identifier: MIT
/* The example behind `make run`: a small site in plain Node.js, without packages.
 *
 * It shows what an application sees when frontdesk stands in front of it: /api/echo answers with
 * the request as it arrived, /events streams, /socket is a WebSocket that echoes.
 * Usage: node server.js [PORT] */
'use strict';
const crypto = require('crypto');
const http = require('http');

const port = Number(process.argv[2] || 3000);
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const page = `<!doctype html>
<meta charset="utf-8"><title>frontdesk</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
  pre { background: #f3f3f3; padding: 1rem; overflow: auto }
</style>
<h1>It works</h1>
<p>This page comes from a Node.js app that you cannot see: frontdesk took your request and handed it on.</p>
<h2>Your request, as the app saw it</h2><pre id="echo">…</pre>
<h2>A stream (server-sent events)</h2><pre id="clock">…</pre>
<h2>A WebSocket</h2><pre id="socket">…</pre>
<script>
  const show = (id, text) => { document.getElementById(id).textContent = text; };
  fetch('/api/echo').then((r) => r.json()).then((echo) => show('echo', JSON.stringify(echo, null, 2)));
  new EventSource('/events').onmessage = (event) => show('clock', event.data);
  const socket = new WebSocket('ws://' + location.host + '/socket');
  socket.onopen = () => socket.send('hello through frontdesk');
  socket.onmessage = (event) => show('socket', 'echo: ' + event.data);
</script>
`;

function answer(response, status, type, text) {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

async function echo(request, response) {
  let body = '';
  for await (const piece of request) body += piece;
  const seen = { method: request.method, url: request.url, headers: request.headers, body };
  answer(response, 200, 'application/json', JSON.stringify(seen, null, 2) + '\n');
}

function events(request, response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
  const tell = () => response.write(`data: ${new Date().toISOString()}\n\n`);
  const timer = setInterval(tell, 1000);
  response.on('close', () => clearInterval(timer));
  tell();
}

const routes = {
  '/': (request, response) => answer(response, 200, 'text/html; charset=utf-8', page),
  '/api/echo': echo,
  '/events': events,
};

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://app');
  const route = routes[pathname];
  if (route) return route(request, response);
  return answer(response, 404, 'text/plain', `nothing at ${pathname}\n`);
});

/* One unfragmented frame of up to 64 KB from a client, or null: enough for an echo. */
function frameRead(buffer) {
  if (buffer.length < 6) return null;
  let length = buffer[1] & 0x7f;
  let at = 2;
  if (length === 126) {
    length = buffer.readUInt16BE(2);
    at = 4;
  }
  if (length > 65535 || buffer.length < at + 4 + length) return null;
  const mask = buffer.subarray(at, at + 4);
  const body = Buffer.from(buffer.subarray(at + 4, at + 4 + length));
  for (let i = 0; i < body.length; i += 1) body[i] ^= mask[i % 4];
  return { opcode: buffer[0] & 0x0f, body, size: at + 4 + length };
}

function frameWrite(opcode, body) {
  const head = body.length < 126 ? Buffer.from([0x80 | opcode, body.length])
    : Buffer.from([0x80 | opcode, 126, body.length >> 8, body.length & 0xff]);
  return Buffer.concat([head, body]);
}

server.on('upgrade', (request, socket, first) => {
  const key = request.headers['sec-websocket-key'] + WEBSOCKET_GUID;
  const accept = crypto.createHash('sha1').update(key).digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    + `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
  const CLOSE = 8;
  const PING = 9;
  const PONG = 10;
  let pending = first;
  const take = () => {
    for (let frame = frameRead(pending); frame; frame = frameRead(pending)) {
      pending = pending.subarray(frame.size);
      socket.write(frameWrite(frame.opcode === PING ? PONG : frame.opcode, frame.body));
      if (frame.opcode === CLOSE) return socket.end();
    }
    return undefined;
  };
  socket.on('data', (piece) => {
    pending = Buffer.concat([pending, piece]);
    take();
  });
  socket.on('error', () => socket.destroy());
  take();
});

server.on('error', (error) => {
  console.error(`cannot listen on port ${port}: ${error.code}`);
  process.exit(1);
});
server.listen(port, '127.0.0.1', () => console.log(`listening on port ${port}`));
