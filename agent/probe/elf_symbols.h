/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Finds functions by name in an ELF file (libelf). The file is hostile input: a process can map anything. */

#include <stddef.h>
#include <stdint.h>

struct elf_symbol {
	const char *name;     /* given by the caller */
	uint64_t file_offset; /* result: where its code is in the file; 0: not there */
};

/* Looks in .dynsym, then in .symtab. fd is borrowed; its position changes. Number of symbols found;
 * -ENOEXEC: not an ELF file of this machine's class; -E2BIG: more symbols than the limit; -EIO: broken. */
int elf_symbols_find(int fd, struct elf_symbol *symbols, size_t n_symbols);
