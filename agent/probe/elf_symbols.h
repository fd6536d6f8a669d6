/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Finds functions and sections by name in an ELF file. The file is hostile input: a process can map anything.
 * It is read in slices of bounded size, never mapped and never taken into memory as a whole, one of which
 * libelf does: a file that shrinks under a map would kill us, and a sparse file of a few KB can claim tables
 * of any size. Holes are stepped over, so that the time taken follows what the file has on disk. */

#include <stddef.h>
#include <stdint.h>

struct elf_symbol {
	const char *name;     /* given by the caller; begins with SSL_ and is shorter than 64 bytes */
	uint64_t file_offset; /* result: where its code is in the file; 0: not there */
};

/* Looks in .dynsym, then in .symtab, where functions may be local (a library linked in and hidden). Symbols
 * that are resolved when they are first called (STT_GNU_IFUNC) are resolvers, not the functions. fd is
 * borrowed; its position changes. Number of symbols found; -ENOEXEC: not an ELF program or library of this
 * machine's class and byte order; -E2BIG: a table is over its limit (sections, program headers, symbols,
 * names); -EIO: broken; -ENOMEM. */
int elf_symbols_find(int fd, struct elf_symbol *symbols, size_t n_symbols);

/* Whether a section of this name (shorter than 64 bytes) exists: 1, 0, or errors as above. */
int elf_symbols_has_section(int fd, const char *name);
