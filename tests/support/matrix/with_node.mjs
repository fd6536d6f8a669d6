// SPDX-License-Identifier: Apache-2.0
// Node's https with a keep-alive agent. The protocol is in clients.py.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { createInterface } from 'node:readline';

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const agent = new https.Agent({ keepAlive: true });

function exchange([id, method, host, path, framing, file, header]) {
  const body = file ? readFileSync(file) : Buffer.alloc(0);
  const headers = { 'Content-Type': 'application/json', 'Api-Key': '0123456789abcdef'.repeat(2) };
  if (header) headers[header.split(': ', 1)[0]] = header.slice(header.indexOf(': ') + 2);
  if (framing === 'chunked') headers['Transfer-Encoding'] = 'chunked';
  else headers['Content-Length'] = body.length;
  return new Promise((resolve, reject) => {
    const request = https.request({ agent, host, method, path, headers }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => {
        const sums = { sent_sha256: sha256(body), body_sha256: sha256(Buffer.concat(parts)) };
        console.log(JSON.stringify({ id, pid: process.pid, status: answer.statusCode, ...sums }));
        resolve();
      });
    });
    request.on('error', reject);
    const step = framing === 'chunked' ? 10000 : body.length || 1;
    for (let at = 0; at < body.length; at += step) request.write(body.subarray(at, at + step));
    request.end();
  });
}

let count = 0;
for await (const line of createInterface({ input: process.stdin })) {
  if (line) {
    await exchange(line.split('\t'));
    count++;
  } else {
    console.log(JSON.stringify({ done: count }));
    count = 0;
  }
}
agent.destroy();
