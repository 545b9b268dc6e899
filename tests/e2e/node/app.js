// SPDX-License-Identifier: MIT
/* The Node.js origin of the tests: echoes requests as JSON, redirects to itself, streams, and
 * accepts WebSocket upgrades (echoing bytes). Usage: node app.js PORT */
'use strict';
const http = require('http');
const crypto = require('crypto');

const port = Number(process.argv[2] || 3000);

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/redirect') {
    response.writeHead(302, { Location: `http://localhost:${port}/next?x=1`, Refresh: `5; url=http://localhost:${port}/fresh` });
    return response.end('moved');
  }
  if (url.pathname === '/stream') {
    response.writeHead(200, { 'Content-Type': 'text/plain' });
    for (let i = 0; i < 5; i += 1) response.write(`piece ${i}\n`);
    return response.end();
  }
  if (url.pathname === '/mirror') {
    if (request.headers['content-length']) response.setHeader('Content-Length', request.headers['content-length']);
    return request.pipe(response);
  }
  const hash = crypto.createHash('sha256');
  let length = 0;
  request.on('data', (piece) => { hash.update(piece); length += piece.length; });
  request.on('end', () => {
    const text = JSON.stringify({
      method: request.method, target: request.url, version: request.httpVersion,
      headers: request.headers, raw: request.rawHeaders, length, sha: hash.digest('hex'),
    });
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
    response.end(text);
  });
});

server.on('upgrade', (request, socket, first) => {
  const accept = crypto.createHash('sha1')
    .update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
  if (first.length) socket.write(first);
  socket.pipe(socket);
});

server.listen(port, () => console.log('ready'));
