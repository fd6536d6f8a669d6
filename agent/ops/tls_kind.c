/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/tls_kind.h"

#include <gelf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"

const char *tls_kind_text(enum tls_kind kind)
{
	static const char *const texts[] = {
		[TLS_NONE] = "none",
		[TLS_NSS] = "blind: NSS is not OpenSSL",
		[TLS_GNUTLS] = "blind: GnuTLS is not OpenSSL",
		[TLS_JAVA] = "blind: Java's own TLS is not OpenSSL",
		[TLS_GO] = "blind: Go's own TLS is not OpenSSL",
		[TLS_STRIPPED] = "blind: the library has no symbols for SSL_read and SSL_write",
		[TLS_READABLE] = "readable",
	};
	return texts[kind];
}

static bool base_name_begins(const char *path, const char *prefix)
{
	const char *slash = strrchr(path, '/');
	return strncmp(slash ? slash + 1 : path, prefix, strlen(prefix)) == 0;
}

/* Go's linker puts build information into a section of this name. */
static bool has_go_section(int fd)
{
	bool found = false;
	char magic[SELFMAG];

	if (pread(fd, magic, SELFMAG, 0) != SELFMAG || memcmp(magic, ELFMAG, SELFMAG) != 0 ||
	    elf_version(EV_CURRENT) == EV_NONE)
		return false;
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	size_t names = 0;
	if (elf && elf_kind(elf) == ELF_K_ELF && elf_getshdrstrndx(elf, &names) == 0) {
		Elf_Scn *scn = NULL;
		for (int i = 0; !found && i < 4096 && (scn = elf_nextscn(elf, scn)); i++) {
			GElf_Shdr sh;
			const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;
			found = name && strcmp(name, ".go.buildinfo") == 0;
		}
	}
	if (elf)
		elf_end(elf);
	return found;
}

enum tls_kind tls_kind_of_file(int fd, const char *path)
{
	if (base_name_begins(path, "libssl.") || base_name_begins(path, "libssl-"))
		return TLS_STRIPPED;
	if (base_name_begins(path, "libgnutls.so"))
		return TLS_GNUTLS;
	if (base_name_begins(path, "libssl3.so"))
		return TLS_NSS;
	if (base_name_begins(path, "libjvm.so"))
		return TLS_JAVA;
	return has_go_section(fd) ? TLS_GO : TLS_NONE;
}
