// SPDX-License-Identifier: Apache-2.0
// Node's own fetch, which decodes what it gets.

import { Answer, body, eachJob, headers, sha256, url } from './common.mjs';

await eachJob(async (job, directive) => {
  const answer = new Answer();
  const data = JSON.stringify(body(job, directive));
  let raw = Buffer.alloc(0);
  let status = null;
  try {
    const response = await fetch(url(job), { method: 'POST', headers: headers(job), body: data });
    status = response.status;
    for await (const piece of response.body) raw = Buffer.concat([raw, piece]);
    answer.raw(raw, job.stream);
  } catch (error) {
    answer.out.error = `${error.constructor.name}: ${error.message}`;
  }
  return answer.result(directive, status, { body_sha256: sha256(raw), sent_sha256: sha256(data) });
});
