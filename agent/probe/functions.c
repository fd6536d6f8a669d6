/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/functions.h"

#include <stdbool.h>

const char *const probe_function_names[PROBE_FUNCTIONS] = {
	[PROBE_SSL_WRITE] = "SSL_write",     [PROBE_SSL_WRITE_EX] = "SSL_write_ex",
	[PROBE_SSL_CTRL] = "SSL_ctrl",	     [PROBE_SSL_READ] = "SSL_read",
	[PROBE_SSL_READ_EX] = "SSL_read_ex", [PROBE_SSL_SET_FD] = "SSL_set_fd",
	[PROBE_SSL_FREE] = "SSL_free",
};

int probe_functions_find(int fd, struct elf_symbol ret_symbols[static PROBE_FUNCTIONS])
{
	for (int i = 0; i < PROBE_FUNCTIONS; i++)
		ret_symbols[i] = (struct elf_symbol){.name = probe_function_names[i]};
	int n = elf_symbols_find(fd, ret_symbols, PROBE_FUNCTIONS);
	if (n <= 0)
		return n;
	bool writes = ret_symbols[PROBE_SSL_WRITE].file_offset || ret_symbols[PROBE_SSL_WRITE_EX].file_offset;
	bool reads = ret_symbols[PROBE_SSL_READ].file_offset || ret_symbols[PROBE_SSL_READ_EX].file_offset;
	return writes && reads ? n : 0;
}
