// SPDX-License-Identifier: Apache-2.0
// Any call of openai-node: see with_sdk.py. Names are the Python ones, turned into Node's.

import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';

import { API_VERSION, AZURE, eachJob, sha256 } from './common.mjs';

const { default: OpenAI, AzureOpenAI, toFile } = createRequire(process.env.OAITAP_NODE + '/')('openai');

function clientOf(job, defaultHeaders) {
  const more = { defaultHeaders, maxRetries: job.max_retries ?? 0, timeout: 60_000 };
  const apiKey = job.credential.value;
  if (job.flavour === 'azure')
    return new AzureOpenAI({ endpoint: AZURE, apiVersion: job.api_version ?? API_VERSION, apiKey, ...more });
  if (job.flavour === 'azure-v1') return new OpenAI({ baseURL: `${AZURE}/openai/v1/`, apiKey, ...more });
  return new OpenAI({ apiKey, ...more });
}

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

async function made(value) {
  if (Array.isArray(value)) return Promise.all(value.map(made));
  if (value && typeof value === 'object') {
    if (value.$file) {
      const { name, type, base64 } = value.$file;
      return toFile(Buffer.from(base64, 'base64'), name, { type });
    }
    const pairs = await Promise.all(Object.entries(value).map(async ([key, one]) => [key, await made(one)]));
    return Object.fromEntries(pairs);
  }
  return value;
}

async function taken(got, directive) {
  if (directive.stream) {
    let count = 0;
    for await (const _ of got) if (++count === directive.stop_after) break;
    return { events: count };
  }
  if (typeof got === 'string') return { sha256: sha256(got) };
  if (typeof got?.arrayBuffer === 'function')
    return { sha256: createHash('sha256').update(Buffer.from(await got.arrayBuffer())).digest('hex') };
  if (got === undefined || got === null) return {};
  return { value: got.body && got.getPaginatedItems ? got.body : got };
}

await eachJob(async (job, one) => {
  const header = { 'x-directive': JSON.stringify({ id: one.id, ...(one.directive ?? {}) }) };
  const out = { id: one.id, pid: process.pid, status: 200, error: null };
  try {
    let owner = null;
    let call = clientOf(job, header);
    for (const name of one.call.split('.')) [owner, call] = [call, call[camel(name)]];
    const args = await made(one.args ?? {});
    const given = [...(one.ids ?? [])];
    if (Object.keys(args).length) given.push(args);
    Object.assign(out, await taken(await call.apply(owner, given), one));
  } catch (error) {
    out.status = error.status ?? (one.stream ? 200 : null);
    out.error = `${error.constructor.name}: ${error.message}`;
  }
  return out;
});
