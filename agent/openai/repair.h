/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The copy of a JSON text that json.h describes. Does not check the syntax: the copy of what is not JSON is
 * not JSON either. One pass. */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Appends to out. Adds JSON_BIG_NUMBER, JSON_SURROGATE and JSON_CUT to *flaws for what was changed.
 * text is valid UTF-8. 0; -EBADMSG: brackets do not match, or are nested too deeply; -E2BIG; -ENOMEM. */
int openai_json_repair(const uint8_t *text, size_t len, struct buf *out, unsigned *flaws);
