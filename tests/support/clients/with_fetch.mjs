// SPDX-License-Identifier: Apache-2.0
// Node's own fetch.

import { Answer, body, eachJob, headers, sha256, url } from './common.mjs';

await eachJob(async (job, directive) => {
  const answer = new Answer();
  const data = JSON.stringify(body(job, directive));
  const response = await fetch(url(job), { method: 'POST', headers: headers(job), body: data });
  const raw = Buffer.from(await response.arrayBuffer());
  answer.raw(raw, job.stream);
  return answer.result(directive, response.status, { body_sha256: sha256(raw), sent_sha256: sha256(data) });
});
