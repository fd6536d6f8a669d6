/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One exchange as a readable page, event by event: what everybody wants to know once, then everything that
 * was asked and answered. Text from the traffic is neutralised as in sink/pretty.h. No I/O. */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends one event of the exchange; `first` adds who asked whom. 0; -EBADMSG: no JSON object; -ENOMEM;
 * -E2BIG. */
int page_event(struct buf *out, const char *text, size_t len, bool first, bool colour);
