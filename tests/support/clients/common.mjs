// SPDX-License-Identifier: Apache-2.0
// What the Node clients share: see common.py for jobs and results.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export const AZURE = 'https://contoso.openai.azure.com';
export const OPENAI = 'https://api.openai.com';
export const API_VERSION = '2024-10-21';
export const DEPLOYMENT = 'chat-prod';

export const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');
export const sha256 = (data) => createHash('sha256').update(data).digest('hex');

export async function eachJob(exchange) {
  for await (const line of createInterface({ input: process.stdin })) {
    if (!line.trim()) continue;
    const job = JSON.parse(line);
    for (const directive of job.exchanges) say(await exchange(job, directive));
    say({ done: job.exchanges.length });
  }
}

export function url(job) {
  if (job.flavour === 'azure')
    return `${AZURE}/openai/deployments/${DEPLOYMENT}/chat/completions?api-version=${API_VERSION}`;
  if (job.flavour === 'azure-v1') return `${AZURE}/openai/v1/chat/completions`;
  return `${OPENAI}/v1/chat/completions`;
}

export function headers(job) {
  const { kind, value } = job.credential;
  if (kind === 'bearer') return { 'content-type': 'application/json', authorization: `Bearer ${value}` };
  return { 'content-type': 'application/json', [kind]: value };
}

export function parameters(job, directive) {
  const text = readFileSync(job.text_file, 'utf8');
  const question = [{ role: 'user', content: text }];
  const messages = job.question ? question : [
    { role: 'system', content: 'Answer briefly. Antworte kurz. 短く答えてください。 🙂' },
    { role: 'user', content: '[[' + JSON.stringify(directive) + ']] ' + text },
  ];
  const out = { model: job.model, messages, ...(job.extra ?? {}) };
  if (job.stream) out.stream = true;
  return out;
}

export function body(job, directive) {
  const out = parameters(job, directive);
  if (job.flavour === 'azure') delete out.model;
  return out;
}

// Adds up an answer from plain JSON or from stream chunks.
export class Answer {
  texts = new Map();
  tools = new Map();
  finish = new Map();
  out = {};

  general(value) {
    for (const key of ['id', 'model', 'usage', 'error']) if (value[key]) this.out[key] = value[key];
  }

  plain(value) {
    for (const choice of value.choices ?? []) {
      this.texts.set(choice.index, choice.message.content ?? '');
      (choice.message.tool_calls ?? []).forEach((call, i) =>
        this.tools.set(`${choice.index}/${i}`, [call.id, call.function.name, call.function.arguments]));
      this.finish.set(choice.index, choice.finish_reason);
    }
    this.general(value);
  }

  chunk(value) {
    for (const choice of value.choices ?? []) {
      const delta = choice.delta ?? {};
      this.texts.set(choice.index, (this.texts.get(choice.index) ?? '') + (delta.content ?? ''));
      for (const call of delta.tool_calls ?? []) {
        const key = `${choice.index}/${call.index}`;
        const have = this.tools.get(key) ?? ['', '', ''];
        this.tools.set(key, [
          have[0] + (call.id ?? ''), have[1] + (call.function?.name ?? ''), have[2] + (call.function?.arguments ?? ''),
        ]);
      }
      if (choice.finish_reason) this.finish.set(choice.index, choice.finish_reason);
    }
    this.general(value);
  }

  raw(bytes, stream) {
    const text = bytes.toString('utf8');
    if (!stream || !/^(data)?:/.test(text)) {
      try {
        this.plain(JSON.parse(text));
      } catch {
        this.out.error = 'not JSON';
      }
      return;
    }
    for (const line of text.split(/\r\n|\r|\n/))
      if (line.startsWith('data: ') && line !== 'data: [DONE]') this.chunk(JSON.parse(line.slice(6)));
  }

  result(directive, status, more = {}) {
    const order = [...this.texts.keys()].sort((a, b) => a - b);
    return {
      id: directive.id,
      pid: process.pid,
      status,
      texts: order.map((i) => sha256(this.texts.get(i))),
      tools: [...this.tools.keys()].sort().map((key) => this.tools.get(key)),
      finish: order.map((i) => this.finish.get(i) ?? null),
      response_id: this.out.id ?? null,
      model: this.out.model ?? null,
      usage: this.out.usage ?? null,
      error: this.out.error ?? null,
      end: Date.now() / 1000,
      ...more,
    };
  }
}
