/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/issuer.h"

#include <string.h>
#include <strings.h>

#include "base/macro.h"

enum { WORLDWIDE = 1, US_GOVERNMENT = 2, CHINA = 4 };

static const struct {
	const char *host;
	unsigned int clouds;
} hosts[] = {
	{"sts.windows.net", WORLDWIDE | US_GOVERNMENT},
	{"login.microsoftonline.com", WORLDWIDE},
	{"login.microsoftonline.us", US_GOVERNMENT},
	{"login.partner.microsoftonline.cn", CHINA},
	{"login.chinacloudapi.cn", CHINA},
	{"sts.chinacloudapi.cn", CHINA},
};

#define ANY_TENANT "{tenantid}"

bool issuer_read(const char *text, struct issuer *ret_issuer)
{
	static const char scheme[] = "https://";
	struct issuer found = {0};

	if (!text || strncmp(text, scheme, sizeof(scheme) - 1) != 0)
		return false;
	const char *host = text + sizeof(scheme) - 1;
	size_t len = strcspn(host, "/");
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		if (strlen(hosts[i].host) == len && strncasecmp(host, hosts[i].host, len) == 0)
			found.clouds = hosts[i].clouds;
	if (!found.clouds || host[len] != '/')
		return false;
	found.tenant = host + len + 1;
	found.tenant_len = strcspn(found.tenant, "/");
	const char *rest = found.tenant + found.tenant_len;
	if (found.tenant_len)
		found.version = strcmp(rest, "/") == 0 ? 1 : strcmp(rest, "/v2.0") == 0 ? 2 : 0;
	*ret_issuer = found;
	return true;
}

bool issuer_fits(const char *template, const struct issuer *issuer)
{
	struct issuer signer;
	if (!issuer_read(template, &signer) || !(signer.clouds & issuer->clouds) || !signer.version)
		return false;
	if (signer.tenant_len == sizeof(ANY_TENANT) - 1 &&
	    strncasecmp(signer.tenant, ANY_TENANT, signer.tenant_len) == 0)
		return true;
	return signer.tenant_len == issuer->tenant_len &&
	       strncasecmp(signer.tenant, issuer->tenant, signer.tenant_len) == 0;
}
