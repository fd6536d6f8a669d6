// SPDX-License-Identifier: Apache-2.0
// openai-node as its users write it: OpenAI and AzureOpenAI. The package is found through OAITAP_NODE, because a
// module outside of the installation folder does not see it.

import { createRequire } from 'node:module';

import { Answer, API_VERSION, AZURE, DEPLOYMENT, eachJob, parameters } from './common.mjs';

const { default: OpenAI, AzureOpenAI } = createRequire(process.env.OAITAP_NODE + '/')('openai');
const clients = new Map();

function clientOf(job) {
  const { kind, value } = job.credential;
  const key = JSON.stringify([job.flavour, kind, value, job.max_retries]);
  const more = { maxRetries: job.max_retries ?? 0, timeout: 60_000 };
  if (clients.has(key)) return clients.get(key);
  let client;
  if (job.flavour === 'azure') {
    const credential = kind === 'bearer' ? { azureADTokenProvider: async () => value } : { apiKey: value };
    client = new AzureOpenAI({ endpoint: AZURE, apiVersion: API_VERSION, ...credential, ...more });
  } else if (job.flavour === 'azure-v1') {
    client = new OpenAI({ baseURL: `${AZURE}/openai/v1/`, apiKey: value, ...more });
  } else {
    client = new OpenAI({ apiKey: value, ...more });
  }
  clients.set(key, client);
  return client;
}

await eachJob(async (job, directive) => {
  const answer = new Answer();
  const request = parameters(job, directive);
  if (job.flavour === 'azure') request.model = DEPLOYMENT;
  let status = 200;
  try {
    const got = await clientOf(job).chat.completions.create(request);
    if (job.stream) for await (const chunk of got) answer.chunk(chunk);
    else answer.plain(got);
  } catch (error) {
    status = error.status ?? null;
    answer.out.error = `${error.constructor.name}: ${error.message}`;
  }
  return answer.result(directive, status);
});
