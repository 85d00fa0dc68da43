/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tenants cost: prices in millionths, and what a day comes to. Integers throughout, so that the same usage costs the
 * same on every host.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/calendar.h"
#include "policy/schema.h"

#define DECIMALS 6
#define DAY_S	 86400
#define MILLION	 1000000ULL
#define GIGABYTE 1000000000ULL

int value_price(struct reader *r, const struct node *n, void *into)
{
	const struct policy_price *price = into;
	int err = schema_object(r, OBJECT_PRICE, n, into);

	if (err == 0 && !price->month && !price->million_packets && !price->gigabyte &&
	    !price->million_connections)
		return refuse(r, n, "policy.price.empty",
			      "the price has none of month, million_packets, gigabyte and "
			      "million_connections");
	return err;
}

void pattern_currency(struct text *t)
{
	text_printf(t, "^[A-Za-z]{1,%u}$", POLICY_CURRENCY_MAX);
}

int value_currency(struct reader *r, const struct node *n, void *into)
{
	size_t length = strlen(n->text), i = 0;

	while (isascii(n->text[i]) && isalpha((unsigned char)n->text[i]))
		i++;
	if (!length || i < length || length > POLICY_CURRENCY_MAX)
		return refuse(r, n, "policy.price.currency",
			      "'%.40s' is no currency of one to %u letters such as EUR", n->text,
			      POLICY_CURRENCY_MAX);
	memcpy(into, n->text, length + 1);
	return 0;
}

void pattern_money(struct text *t)
{
	text_printf(t, "^[0-9]{1,10}([.][0-9]{1,%u})?$", DECIMALS);
}

int value_money(struct reader *r, const struct node *n, void *into)
{
	size_t whole = strspn(n->text, "0123456789"), decimals = 0;
	const char *fraction = n->text + whole;
	uint64_t micro = 0;

	if (*fraction == '.')
		decimals = strspn(++fraction, "0123456789");
	if (!whole || whole > 10 || decimals > DECIMALS || fraction[decimals] ||
	    (n->text[whole] && !decimals))
		return refuse(r, n, "policy.price.syntax",
			      "'%.40s' is no amount such as 49.00, with up to %u decimals", n->text,
			      DECIMALS);
	for (size_t i = 0; i < whole; i++)
		micro = 10 * micro + (uint64_t)(n->text[i] - '0');
	for (size_t i = 0; i < DECIMALS; i++)
		micro = 10 * micro + (i < decimals ? (uint64_t)(fraction[i] - '0') : 0);
	if (micro > POLICY_MONEY_MAX)
		return refuse(r, n, "policy.price.range", "'%.40s' is over %llu", n->text,
			      (unsigned long long)(POLICY_MONEY_MAX / POLICY_MICRO));
	*(uint64_t *)into = micro;
	return 0;
}

/* A half up. */
static unsigned __int128 product(uint64_t count, uint64_t price, uint64_t per)
{
	return ((unsigned __int128)count * price + per / 2) / per;
}

/* The shares of all days of a month are its price: what is up to the end of this one less what was before it. */
static uint64_t share_of_month(uint64_t price, int64_t day)
{
	struct calendar_period month = calendar_month(day * DAY_S);
	unsigned __int128 days = (unsigned __int128)((month.end - month.begin) / DAY_S);
	unsigned __int128 before = (unsigned __int128)(day - month.begin / DAY_S);

	return (uint64_t)((before + 1) * price / days - before * price / days);
}

int64_t policy_cost(const struct policy_price *price, const struct policy_passed *passed,
		    int64_t day)
{
	unsigned __int128 sum = share_of_month(price->month, day);

	sum += product(passed->packets, price->million_packets, MILLION);
	sum += product(passed->bytes, price->gigabyte, GIGABYTE);
	sum += product(passed->connections, price->million_connections, MILLION);
	return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}
