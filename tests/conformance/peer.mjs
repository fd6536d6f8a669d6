// SPDX-License-Identifier: Apache-2.0
// A server and a client of HTTP/2 in plain text by Node's http2, for h2_record.py: what go/main.go does, and the features
// that Node has besides: padding, pushed streams, settings of its own.
//
//     peer.mjs server              prints its port
//     peer.mjs client PORT PLANS   does the requests of each plan (JSON) at once, on one connection

import crypto from 'node:crypto';
import http2 from 'node:http2';
import { buffer } from 'node:stream/consumers';

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, PADDING_STRATEGY_MAX } = http2.constants;

function tell(seen, body) {
  const sha256 = crypto.createHash('sha256').update(body).digest('hex');
  console.log(JSON.stringify({ ...seen, length: body.length, sha256 }));
}

function pattern(n) {
  return Buffer.from(Array.from({ length: n }, (_, i) => 97 + (i % 23)));
}

async function answer(stream, headers) {
  const path = headers[':path'];
  if (headers[':method'] === 'CONNECT') {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
    return;
  }
  const body = await buffer(stream);
  tell({ id: headers['x-id'], method: headers[':method'], path }, body);
  const [, kind, count] = path.split('?')[0].split('/');
  const n = Number(count ?? 0);
  const fields = { ':status': 200, 'content-type': 'text/plain', 'x-server': 'node', 'set-cookie': ['a=1', 'b=2'] };
  switch (kind) {
    case 'bytes':
      stream.respond({ ...fields, 'content-length': n });
      stream.end(pattern(n));
      break;
    case 'chunks':
      stream.respond(fields);
      for (let i = 0; i < n; i++) {
        stream.write(`data: ${i}\n\n`);
        await new Promise(setImmediate);
      }
      stream.end();
      break;
    case 'status':
      stream.respond({ ...fields, ':status': n }, { endStream: true });
      break;
    case 'early':
      stream.additionalHeaders({ ':status': 103, link: '</style.css>; rel=preload' });
      stream.respond(fields);
      stream.end('late');
      break;
    case 'trailers':
      stream.respond(fields, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': '12345' }));
      stream.end('before the trailers');
      break;
    case 'echo':
      stream.respond(fields);
      stream.end(body);
      break;
    case 'reset':
      stream.respond(fields);
      stream.write(pattern(1000), () => stream.close(NGHTTP2_INTERNAL_ERROR));
      break;
    case 'push':
      if (stream.pushAllowed)
        stream.pushStream({ ':path': '/pushed' }, (error, pushed) => {
          pushed.respond(fields);
          pushed.end('unasked');
        });
      stream.respond(fields);
      stream.end('asked');
      break;
    case 'settings':
      stream.session.settings({ headerTableSize: n, maxFrameSize: 65536, initialWindowSize: 200000 });
      stream.respond(fields);
      stream.end('settings');
      break;
    case 'goaway':
      stream.respond(fields);
      stream.end('bye');
      stream.session.close();
      break;
    default:
      stream.respond({ ...fields, ':status': 404 }, { endStream: true });
  }
}

function server(padded) {
  const options = padded ? { paddingStrategy: PADDING_STRATEGY_MAX } : {};
  const peer = http2.createServer({ ...options, settings: { enableConnectProtocol: true } });
  peer.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    answer(stream, headers).catch(() => {});
  });
  peer.on('sessionError', () => {});
  peer.on('session', (session) => session.on('error', () => {}));
  peer.listen(0, '127.0.0.1', () => console.log(peer.address().port));
}

function ask(session, request) {
  return new Promise((resolve) => {
    const { id, method, path, size = 0, fields = {}, trailers, cancel } = request;
    const head = { ':method': method, ':path': path, 'x-id': id, ...fields };
    if (method === 'CONNECT') {
      delete head[':path'];
      head[':authority'] = 'db.example.org:443';
    }
    const stream = session.request(head, { endStream: !size && !trailers, waitForTrailers: Boolean(trailers) });
    const parts = [];
    let status;
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }));
    stream.on('response', (got) => {
      status = got[':status'];
    });
    stream.on('data', (data) => {
      parts.push(data);
      if (cancel) stream.close(NGHTTP2_CANCEL);
    });
    stream.on('error', resolve);
    stream.on('close', resolve);
    stream.on('end', () => {
      if (stream.rstCode === 0) tell({ id, status }, Buffer.concat(parts));
    });
    if (size || trailers) stream.end(pattern(size));
  });
}

async function session(port, plan) {
  const session = http2.connect(`http://127.0.0.1:${port}`, plan.options ?? {});
  const closed = new Promise((resolve) => session.on('close', resolve));
  session.on('error', () => {});
  session.on('stream', (pushed) => pushed.resume());
  // The first alone, so that what it changes is known to the others.
  const [first, ...others] = plan.requests;
  await ask(session, first);
  if (!session.closed && !session.destroyed) await Promise.all(others.map((request) => ask(session, request)));
  if (!session.destroyed) {
    session.close();
    await closed;
  }
}

const [, , role, ...args] = process.argv;
if (role === 'server') server(args[0] === 'padded');
else for (const plan of JSON.parse(args[1])) await session(Number(args[0]), plan);
