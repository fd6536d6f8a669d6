/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text, read by us and by jansson's own parser: what that one takes we read alike and without a flaw,
 * and what we read without a flaw it takes. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "openai/json.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct openai_json ours = {0};
	json_error_t error;
	const int bom = size >= 3 && !memcmp(data, "\xef\xbb\xbf", 3);
	must(openai_json_read(data, size, &ours) == 0);
	must(ours.offset <= size);
	must(ours.value || ours.flaws);
	must(!ours.value || ours.flaws < JSON_BAD_UTF8);

	/* jansson passes over some NULs, and ends at others. */
	if (size && memchr(data, 0, size)) {
		json_decref(ours.value);
		return 0;
	}
	json_t *theirs = json_loadb((const char *)data + (bom ? 3 : 0), size - (bom ? 3 : 0),
				    JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
	if (theirs || !ours.flaws) {
		must(ours.flaws == 0);
		must(json_equal(ours.value, theirs));
	}
	json_decref(theirs);
	json_decref(ours.value);
	return 0;
}
