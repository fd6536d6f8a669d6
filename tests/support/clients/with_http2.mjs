// SPDX-License-Identifier: Apache-2.0
// Node's http2 module: all exchanges of a job over one connection, `together` of them at a time. A directive's
// `cancel_after` ends a stream after that many bytes of its answer (0: once its head is there).

import { connect, constants } from 'node:http2';

import { Answer, body, headers, sha256, url } from './common.mjs';
import { createInterface } from 'node:readline';

const sessions = new Map();
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');

function sessionOf(origin, address) {
  const key = `${origin} ${address}`;
  let session = sessions.get(key);
  if (!session || session.closed || session.destroyed) {
    const found = [{ address, family: 4 }];
    const lookup = (_, options, done) => (options.all ? done(null, found) : done(null, address, 4));
    session = connect(origin, address ? { lookup } : {});
    session.on('error', () => sessions.delete(key));
    sessions.set(key, session);
  }
  return session;
}

function exchange(job, directive) {
  const at = new URL(url(job));
  const data = Buffer.from(JSON.stringify(body(job, directive)));
  const stream = sessionOf(at.origin, job.address).request({
    ':method': 'POST', ':path': at.pathname + at.search, 'content-length': data.length, ...headers(job),
  });
  const answer = new Answer();
  let status = null;
  let size = 0;
  const pieces = [];
  const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
  return new Promise((resolve) => {
    const finish = () => {
      const raw = Buffer.concat(pieces);
      if (directive.cancel_after === undefined) answer.raw(raw, job.stream);
      resolve(answer.result(directive, status, {
        body_sha256: sha256(raw), sent_sha256: sha256(data), read: size, stream_id: stream.id,
      }));
    };
    stream.on('response', (fields) => {
      status = fields[':status'];
      if (directive.cancel_after === 0) cancel();
    });
    stream.on('data', (piece) => {
      pieces.push(piece);
      size += piece.length;
      if (directive.cancel_after !== undefined && size >= directive.cancel_after) cancel();
    });
    stream.on('error', (error) => { answer.out.error = String(error); });
    stream.on('close', finish);
    stream.end(data);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  if (!line.trim()) continue;
  const job = JSON.parse(line);
  const todo = [...job.exchanges];
  const worker = async () => { for (let one; (one = todo.shift()); ) say(await exchange(job, one)); };
  await Promise.all(Array.from({ length: job.together ?? 1 }, worker));
  say({ done: job.exchanges.length });
}
for (const session of sessions.values()) session.destroy();
process.exit(0);
