/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/tls_kind.h"

#include <stdbool.h>
#include <string.h>

#include "probe/elf_symbols.h"

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
	/* Go's linker puts build information into a section of this name. */
	return elf_symbols_has_section(fd, ".go.buildinfo") == 1 ? TLS_GO : TLS_NONE;
}
