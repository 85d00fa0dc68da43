/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What flags are to packets: a share of the sources by hash, and a bit for what they name. A limit whose
 * flag is off is compiled as if it were on, and switched off in struct weir_policy.active: so switching
 * it is one word, at once for all limits of the flag. Where a flag is inverted that is not enough, as the
 * limit goes on for everybody; then off is a share of nothing.
 */
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "policy/compile.h"

int policy_flag_key(const char *name, uint64_t *ret)
{
	static const char prefix[] = "weir flag ";
	char text[sizeof(prefix) + POLICY_NAME_MAX + 1];
	unsigned char digest[32];
	uint64_t key;

	snprintf(text, sizeof(text), "%s%s", prefix, name);
	if (!EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL))
		return -ENOMEM;
	memcpy(&key, digest, sizeof(key));
	*ret = le64toh(key);
	return 0;
}

uint64_t policy_flag_below(unsigned int permille)
{
	return ((uint64_t)permille << 32) / POLICY_FLAG_ALL;
}

const struct policy_flag_value *compile_flag_value(const struct compiler *c, const struct draft *d)
{
	return d->rule->flag ? &c->flags[d->rule->flag - c->policy->flags] : NULL;
}

/* Those that the flag is on for besides its share; an inverted one that is off is on for nobody. */
const struct policy_flag_value *compile_flag_targets(const struct compiler *c,
						     const struct draft *d)
{
	const struct policy_flag_value *value = compile_flag_value(c, d);

	return value && (value->on || !d->rule->flag_inverted) ? value : NULL;
}

int compile_flags(struct compiler *c)
{
	struct weir_policy *p = &c->image->policy;

	for (uint32_t i = 0; i < p->limit_count; i++) {
		const struct draft *d = &c->drafts[i];
		const struct policy_flag_value *value = compile_flag_value(c, d);
		const struct policy_flag_value *targets = compile_flag_targets(c, d);
		uint64_t bit = 1ULL << i;
		int r;

		if (!value)
			continue;
		r = policy_flag_key(d->rule->flag->name, (uint64_t *)&p->shares[i].key);
		if (r < 0)
			return r;
		p->flagged_limits |= bit;
		if (d->rule->flag_inverted)
			p->inverted_limits |= bit;
		else
			c->image->limits[i].flag_off = policy_flag_is_off(value);
		if (!targets)
			continue;
		p->shares[i].below = policy_flag_below(value->permille);
		for (size_t n = 0; n < value->tenant_count; n++)
			p->tenant_targets[value->tenants[n]] |= bit;
		if (value->tenant_count)
			p->flags |= WEIR_POLICY_BY_TENANT;
	}
	return 0;
}
