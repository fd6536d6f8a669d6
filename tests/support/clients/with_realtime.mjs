// SPDX-License-Identifier: Apache-2.0
// The realtime client of openai-node on the ws package: see with_realtime.py.

import { createRequire } from 'node:module';

import { AZURE, eachJob } from './common.mjs';

const from = createRequire(process.env.OAITAP_NODE + '/');
const { default: OpenAI, AzureOpenAI } = from('openai');
const { OpenAIRealtimeWS } = from('openai/realtime/ws');

function clientOf(job) {
  const apiKey = job.credential.value;
  if (job.flavour === 'azure') return new AzureOpenAI({ endpoint: AZURE, apiVersion: '2025-04-01-preview', apiKey });
  if (job.flavour === 'azure-v1') return new OpenAI({ baseURL: `${AZURE}/openai/v1/`, apiKey });
  return new OpenAI({ apiKey });
}

const sound = (size, turn) => Buffer.from(Array.from({ length: size }, (_, i) => ((i * 31 + turn) % 251) + 1));

await eachJob(async (job, one) => {
  const out = { id: one.id, pid: process.pid, events: 0, deltas: 0, error: null };
  const options = {
    perMessageDeflate: job.deflate === true, headers: { 'x-directive': JSON.stringify({ id: one.id }) },
  };
  const client = clientOf(job);
  const connection = job.flavour === 'azure'
    ? await OpenAIRealtimeWS.azure(client, { deploymentName: job.model, options })
    : new OpenAIRealtimeWS({ model: job.model, options }, client);
  const seen = [];
  let wake = () => {};
  connection.on('event', (event) => {
    out.events += 1;
    if (event.type.endsWith('.delta')) out.deltas += 1;
    seen.push(event.type);
    wake();
  });
  const closed = new Promise((resolve) => connection.socket.on('close', resolve));
  connection.on('error', (error) => { if (!error.error) out.error = String(error); });
  let gone = false;
  closed.then(() => { gone = true; wake(); });
  const wait = async (kinds) => {
    for (;;) {
      while (seen.length) if (kinds.includes(seen.shift())) return true;
      if (gone) return false;
      await new Promise((resolve) => { wake = resolve; });
    }
  };
  await new Promise((resolve, reject) => { connection.socket.on('open', resolve); connection.socket.on('error', reject); });
  for (const step of one.steps) {
    if (gone) break;
    if (step.send) connection.send(step.send);
    else if (step.audio)
      for (let turn = 0; turn < (step.times ?? 1); turn++)
        connection.send({ type: 'input_audio_buffer.append', audio: sound(step.audio, turn).toString('base64') });
    else if (step.silence)
      connection.send({ type: 'input_audio_buffer.append', audio: Buffer.alloc(480).toString('base64') });
    else if (step.wait)
      for (let i = 0; i < (step.times ?? 1); i++) {
        if (!(await wait([step.wait].flat()))) { out.error ??= 'closed'; break; }
      }
    else if (step.leave) connection.socket.terminate();
  }
  connection.close();
  await closed;
  return out;
});
