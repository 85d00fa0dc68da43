/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a policy may not say: each row is a document and the exact words of its refusal, place
 * included, because these words are all that somebody with a broken policy at night has got. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/policy.h"

#define HEAD	   "apiVersion: weir/v1\nmode: enforce\n"
#define LIMIT(...) HEAD "limits:\n  - {name: a, scope: source, " __VA_ARGS__ "}\n"
#define BLOCK(...) HEAD "lists:\n  block:\n    entries: [" __VA_ARGS__ "]\n"
#define FEED(...)  HEAD "lists:\n  block:\n    feeds: [{" __VA_ARGS__ "}]\n"
#define WEB(...)   HEAD "services:\n  web: {" __VA_ARGS__ "}\n"

struct bad {
	const char *promise;
	const char *text;
	const char *code;
	const char *words;
};

static const struct bad bad[] = {
	{"an empty text is refused", "", "policy.text.empty", "p:1:1: the policy is empty"},
	{"a text of comments is refused as empty", "# nothing\n", "policy.text.empty",
	 "p:1:1: the policy is empty"},
	{"a list is no policy", "- a\n", "policy.value.kind",
	 "p:1:1: a policy is a mapping of keys"},
	{"two documents are refused", HEAD "---\n" HEAD, "policy.yaml.documents",
	 "p:3:1: a second document begins here; a policy is one document"},
	{"an anchor is refused", HEAD "metadata: &a {name: x}\n", "policy.yaml.anchor",
	 "p:3:11: anchors and tags are not allowed"},
	{"an alias is refused", HEAD "metadata: *a\n", "policy.yaml.alias",
	 "p:3:11: aliases are not allowed"},
	{"a tag is refused", HEAD "metadata: {name: !!str x}\n", "policy.yaml.anchor",
	 "p:3:18: anchors and tags are not allowed"},
	{"a merge key is refused", HEAD "metadata: {<<: {name: x}}\n", "policy.yaml.merge",
	 "p:3:12: merge keys are not allowed"},
	{"a directive is refused", "%YAML 1.1\n---\n" HEAD, "policy.yaml.directive",
	 "p:1:1: directives are not allowed"},
	{"a key that is a list is refused", HEAD "? [a]\n: b\n", "policy.yaml.key",
	 "p:3:3: a key must be a word"},
	{"broken YAML is refused with its context", HEAD "limits: [{name: a\n",
	 "policy.yaml.syntax",
	 "p:4:1: YAML: while parsing a flow mapping, did not find expected ',' or '}'"},
	{"a tab as indentation is refused", HEAD "lists:\n\tallow: {}\n", "policy.yaml.syntax",
	 "p:4:1: YAML: while scanning for the next token, found character that cannot start any token"},
	{"a control character in a text is refused", HEAD "# \x01\n", "policy.text.control",
	 "p:3:3: control character U+0001 is not allowed"},
	{"an escaped control character is refused", HEAD "metadata: {name: \"\\x07\"}\n",
	 "policy.text.control", "p:3:18: a value must not hold control character U+0007"},
	{"a value of several lines is refused", HEAD "metadata:\n  name: |\n    a\n    b\n",
	 "policy.text.control", "p:4:9: a value must not hold control character U+000A"},
	{"a character that reorders text is refused", HEAD "# \xe2\x80\xae\n",
	 "policy.text.control", "p:3:3: control character U+202E is not allowed"},
	{"a lone carriage return is refused", HEAD "# a\rmode: off\n", "policy.text.control",
	 "p:3:4: control character U+000D is not allowed"},
	{"invalid UTF-8 is refused where it stands", HEAD "# \xc3\xa9 \xff\n", "policy.text.utf8",
	 "p:3:5: byte 0xff is not UTF-8"},

	{"an unknown key gets a suggestion", LIMIT("rate: 1/s, brust: 1"), "policy.key.unknown",
	 "p:4:41: unknown key 'brust' in a limit; did you mean 'burst'?"},
	{"an unknown key without a near one gets the list", HEAD "packets: {colour: red}\n",
	 "policy.key.unknown",
	 "p:3:11: unknown key 'colour' in packets; known: malformed, other, fragments"},
	{"a duplicate key is refused", LIMIT("rate: 1/s, rate: 2/s"), "policy.key.duplicate",
	 "p:4:41: 'rate' is given a second time in a limit, first in line 4"},
	{"a duplicate key at the top is refused", HEAD "mode: off\n", "policy.key.duplicate",
	 "p:3:1: 'mode' is given a second time in the policy, first in line 2"},
	{"a missing apiVersion is refused", "mode: off\n", "policy.key.missing",
	 "p:1:1: 'apiVersion' is missing from the policy; it takes 'weir/v1'"},
	{"another apiVersion is refused", "apiVersion: weir/v2\nmode: off\n", "policy.word.unknown",
	 "p:1:13: unknown apiVersion 'weir/v2'; did you mean 'weir/v1'?"},
	{"a missing mode is refused", "apiVersion: weir/v1\n", "policy.key.missing",
	 "p:1:1: 'mode' is missing from the policy; it takes off, monitor or enforce"},
	{"an unknown mode gets a suggestion", "apiVersion: weir/v1\nmode: enforced\n",
	 "policy.word.unknown", "p:2:7: unknown mode 'enforced'; did you mean 'enforce'?"},
	{"a key without a value is refused", HEAD "limits:\n", "policy.value.missing",
	 "p:3:8: 'limits' has no value: it takes a list of limits"},
	{"a mapping where a scalar is wanted is refused", LIMIT("rate: {a: b}"),
	 "policy.value.kind", "p:4:36: 'rate' takes a rate such as 2k/s, not a mapping"},
	{"a scalar where a list is wanted is refused", HEAD "limits: none\n", "policy.value.kind",
	 "p:3:9: 'limits' takes a list of limits, not a single value"},
	{"a scalar where a mapping is wanted is refused", HEAD "packets: drop\n",
	 "policy.value.kind", "p:3:10: 'packets' takes a mapping, not a single value"},
	{"a value in quotes may not be missing either", HEAD "metadata: \"\"\n",
	 "policy.value.kind", "p:3:11: 'metadata' takes a mapping, not a single value"},
	{"a list in a list is refused", WEB("dport: [[80]]"), "policy.value.kind",
	 "p:4:17: 'dport' takes ports or ranges, nothing nested"},
	{"a service that is a word is refused", HEAD "services: {web: tcp}\n", "policy.value.kind",
	 "p:3:17: service 'web' takes a mapping of dst, proto and dport"},
	{"a limit that is a word is refused", HEAD "limits: [web]\n", "policy.value.kind",
	 "p:3:10: a limit is a mapping"},

	{"a missing scope is refused", HEAD "limits: [{name: a, rate: 1/s}]\n",
	 "policy.key.missing",
	 "p:3:10: 'scope' is missing from a limit; it takes a scope such as source"},
	{"an unknown scope is refused", HEAD "limits: [{name: a, scope: host, rate: 1/s}]\n",
	 "policy.word.unknown",
	 "p:3:27: unknown scope 'host'; known: source, source_per_service, source_prefix, destination, service, tenant, interface, global"},
	{"a service where none is defined is refused", LIMIT("rate: 1/s, service: web"),
	 "policy.word.unknown", "p:4:50: unknown service 'web'; none is defined"},
	{"a limit that limits nothing is refused", LIMIT("burst: 1"), "policy.limit.empty",
	 "p:4:5: limit 'a' has no rate, byte_rate, connections or open_connections"},
	{"a burst without its rate is refused", LIMIT("byte_rate: 1MB/s, burst: 1"),
	 "policy.limit.burst", "p:4:5: limit 'a' has a burst without a rate"},
	{"a byte burst without its rate is refused", LIMIT("rate: 1/s, byte_burst: 1MB"),
	 "policy.limit.burst", "p:4:5: limit 'a' has a byte_burst without a byte_rate"},
	{"an undefined service gets a suggestion",
	 HEAD "services: {web: {proto: tcp}}\nlimits:\n"
	      "  - {name: a, scope: source, rate: 1/s, service: wbe}\n",
	 "policy.word.unknown", "p:5:50: unknown service 'wbe'; known: web"},
	{"a limit's name given twice is refused",
	 HEAD "limits:\n  - {name: a, scope: source, rate: 1/s}\n"
	      "  - {name: a, scope: source, rate: 1/s}\n",
	 "policy.name.duplicate", "p:5:12: limit 'a' is already defined in line 4"},
	{"a service's name given twice is refused",
	 HEAD "services:\n  web: {proto: tcp}\n  web: {proto: udp}\n", "policy.name.duplicate",
	 "p:5:3: service 'web' is already defined in line 4"},
	{"a name with capitals is refused", HEAD "services: {Web: {proto: tcp}}\n", "policy.name",
	 "p:3:12: 'Web' is no name: 1 to 32 of a-z, 0-9 and '-', not '-' first"},
	{"a name that begins with a dash is refused", HEAD "services: {-a: {proto: tcp}}\n",
	 "policy.name", "p:3:12: '-a' is no name: 1 to 32 of a-z, 0-9 and '-', not '-' first"},
	{"a name of 33 characters is refused",
	 HEAD "services: {a23456789012345678901234567890123: {proto: tcp}}\n", "policy.name",
	 "p:3:12: 'a23456789012345678901234567890123' is no name: 1 to 32 of a-z, 0-9 and '-', not '-' first"},
	{"the name of the built-in limit is reserved",
	 HEAD "limits: [{name: fragments, scope: source, rate: 1/s}]\n", "policy.name.reserved",
	 "p:3:17: 'fragments' is the built-in limit; set it under 'packets'"},

	{"a rate without a unit gets the unit", LIMIT("rate: 2000"), "policy.unit.missing",
	 "p:4:36: '2000' has no unit: write 2000/s"},
	{"a scaled rate without a unit gets the unit", LIMIT("rate: 2k"), "policy.unit.missing",
	 "p:4:36: '2k' has no unit: write 2k/s"},
	{"a rate per year is refused", LIMIT("rate: 2k/y"), "policy.number.syntax",
	 "p:4:36: '2k/y' is not a rate such as 500/s, 2k/s or 10/m"},
	{"a fraction is refused", LIMIT("rate: 1.5k/s"), "policy.number.syntax",
	 "p:4:36: '1.5k/s' is not a rate such as 500/s, 2k/s or 10/m"},
	{"an octal number is refused", LIMIT("rate: 010/s"), "policy.number.syntax",
	 "p:4:36: '010/s' is not a rate such as 500/s, 2k/s or 10/m"},
	{"a rate of zero is refused", LIMIT("rate: 0/s"), "policy.number.range",
	 "p:4:36: '0/s' is not within 1/d to 100M/s"},
	{"a rate above 100M/s is refused", LIMIT("rate: 100000001/s"), "policy.number.range",
	 "p:4:36: '100000001/s' is not within 1/d to 100M/s"},
	{"a rate beyond 64 bits is refused", LIMIT("rate: 99999999999999999999999999/s"),
	 "policy.number.range",
	 "p:4:36: '99999999999999999999999999/s' is not within 1/d to 100M/s"},
	{"a burst with a unit is refused", LIMIT("rate: 1/s, burst: 1k/s"), "policy.number.syntax",
	 "p:4:48: '1k/s' is not a count such as 200 or 4k"},
	{"a burst above 100M is refused", LIMIT("rate: 1/s, burst: 101M"), "policy.number.range",
	 "p:4:48: '101M' is not within 1 to 100M"},
	{"a byte rate without a unit gets the unit", LIMIT("byte_rate: 1000"),
	 "policy.unit.missing", "p:4:41: '1000' has no unit: write 1000B/s"},
	{"a byte rate in Mi gets the unit", LIMIT("byte_rate: 10Mi"), "policy.unit.missing",
	 "p:4:41: '10Mi' has no unit: write 10MiB/s"},
	{"a byte rate without time gets the time", LIMIT("byte_rate: 10MiB"), "policy.unit.missing",
	 "p:4:41: '10MiB' has no unit: write 10MiB/s"},
	{"a byte rate in millibits is refused", LIMIT("byte_rate: 10mbit/s"),
	 "policy.number.syntax",
	 "p:4:41: '10mbit/s' is not a rate such as 10MiB/s, 64kB/s or 100Mbit/s"},
	{"a byte rate below 1 KiB/s is refused", LIMIT("byte_rate: 1023B/s"), "policy.number.range",
	 "p:4:41: '1023B/s' is not within 1KiB/s to 100Gbit/s"},
	{"a byte rate above 100 Gbit/s is refused", LIMIT("byte_rate: 101Gbit/s"),
	 "policy.number.range", "p:4:41: '101Gbit/s' is not within 1KiB/s to 100Gbit/s"},
	{"a byte burst without a unit gets the unit", LIMIT("byte_rate: 1MB/s, byte_burst: 64k"),
	 "policy.unit.missing", "p:4:60: '64k' has no unit: write 64kB"},
	{"a byte burst below a jumbo frame is refused", LIMIT("byte_rate: 1MB/s, byte_burst: 9kB"),
	 "policy.number.range", "p:4:60: '9kB' is not within 9216B (a jumbo frame) to 1024GiB"},

	{"a word is no address", BLOCK("localhost"), "policy.cidr.syntax",
	 "p:5:15: 'localhost' is no address and no prefix such as 192.0.2.0/24"},
	{"host bits get the masked prefix", BLOCK("198.51.100.7/24"), "policy.cidr.host",
	 "p:5:15: '198.51.100.7/24' has bits set beyond its length; did you mean '198.51.100.0/24'?"},
	{"a prefix beyond 32 bits is refused", BLOCK("10.0.0.0/33"), "policy.cidr.length",
	 "p:5:15: '10.0.0.0/33' has a prefix longer than an address"},
	{"an entry without cidr is refused", BLOCK("{ttl: 1h}"), "policy.key.missing",
	 "p:5:15: 'cidr' is missing from a list entry; it takes an address or prefix"},
	{"a ttl without a unit gets the unit", BLOCK("{cidr: 10.0.0.1, ttl: 24}"),
	 "policy.unit.missing", "p:5:37: '24' has no unit: write 24s"},
	{"a ttl of zero is refused", BLOCK("{cidr: 10.0.0.1, ttl: 0s}"), "policy.number.range",
	 "p:5:37: '0s' is not within 1ms to 100 years"},
	{"a ttl of years is refused", BLOCK("{cidr: 10.0.0.1, ttl: 1y}"), "policy.number.syntax",
	 "p:5:37: '1y' is not a duration such as 90s, 10m or 7d"},
	{"an entry that is a list is refused", BLOCK("[10.0.0.1]"), "policy.value.kind",
	 "p:5:15: a list entry is a prefix or a mapping, not a list"},
	{"a list without entries is refused", HEAD "lists: {block: {}}\n", "policy.key.missing",
	 "p:3:16: a list takes entries, feeds or both, this one has neither"},
	{"a feed without a file is refused", FEED("name: a"), "policy.key.missing",
	 "p:5:13: 'file' is missing from a feed; it takes a path"},
	{"a feed without a name is refused", FEED("file: /a"), "policy.key.missing",
	 "p:5:13: 'name' is missing from a feed; it takes a name"},
	{"a feed that is a path is refused", HEAD "lists:\n  block:\n    feeds: [/a]\n",
	 "policy.value.kind", "p:5:13: a feed is a mapping with a name and a file"},
	{"two feeds of one name are refused", FEED("name: a, file: /a}, {name: a, file: /b"),
	 "policy.name.duplicate", "p:5:41: feed 'a' is already defined in line 5"},
	{"and in both lists too",
	 HEAD "lists:\n  block:\n    feeds: [{name: a, file: /a}]\n"
	      "  allow:\n    feeds: [{name: a, file: /b}]\n",
	 "policy.name.duplicate", "p:5:20: feed 'a' is already defined in line 7"},
	{"a relative path is refused", FEED("name: a, file: feeds/a"), "policy.feed.file",
	 "p:5:29: 'feeds/a' does not begin with '/': where a relative path leads depends on who "
	 "asks"},
	{"an unknown format is refused", FEED("name: a, file: /a, format: netsets"),
	 "policy.word.unknown", "p:5:41: unknown format 'netsets'; did you mean 'netset'?"},
	{"a column of a plain list is refused", FEED("name: a, file: /a, column: 2"),
	 "policy.feed.column", "p:5:13: feed 'a' has a column, so its format must be csv"},
	{"column 0 is refused", FEED("name: a, file: /a, format: csv, column: 0"),
	 "policy.number.range", "p:5:54: '0' is not within 1 to 64"},
	{"column 65 is refused", FEED("name: a, file: /a, format: csv, column: 65"),
	 "policy.number.range", "p:5:54: '65' is not within 1 to 64"},

	{"an unknown protocol is refused", WEB("proto: quic"), "policy.word.unknown",
	 "p:4:16: unknown protocol 'quic'; known: tcp, udp, icmp, icmp6, sctp"},
	{"a protocol number of 256 is refused", WEB("proto: 256"), "policy.word.unknown",
	 "p:4:16: unknown protocol '256'; known: tcp, udp, icmp, icmp6, sctp"},
	{"a port of 65536 is refused", WEB("proto: tcp, dport: 65536"), "policy.port",
	 "p:4:28: '65536' is no port (0 to 65535) and no range such as 8000-8100"},
	{"a word is no port", WEB("proto: tcp, dport: http"), "policy.port",
	 "p:4:28: 'http' is no port (0 to 65535) and no range such as 8000-8100"},
	{"an open range is refused", WEB("proto: tcp, dport: 80-"), "policy.port",
	 "p:4:28: '80-' is no port (0 to 65535) and no range such as 8000-8100"},
	{"a range that runs backwards is refused", WEB("proto: tcp, dport: 90-80"), "policy.port",
	 "p:4:28: '90-80' runs backwards; did you mean '80-90'?"},
	{"ports need a protocol", WEB("dport: 80"), "policy.service.ports",
	 "p:4:3: service 'web' has a dport, so its proto must be tcp or udp"},
	{"ports of ICMP are refused", WEB("proto: [tcp, icmp], dport: 80"), "policy.service.ports",
	 "p:4:3: service 'web' has a dport, so its proto must be tcp or udp"},
	{"an empty list of ports is refused", WEB("proto: tcp, dport: []"), "policy.value.missing",
	 "p:4:28: 'dport' is an empty list"},
	{"a service of every packet is refused", WEB(""), "policy.service.empty",
	 "p:4:3: service 'web' names no dst, proto or dport: it would be every packet"},
	{"fragments without a rate are refused", HEAD "packets: {fragments: {burst: 1}}\n",
	 "policy.key.missing",
	 "p:3:22: 'rate' is missing from fragments; it takes a rate such as 2k/s"},
	{"malformed packets cannot have a limit", HEAD "packets: {malformed: limit}\n",
	 "policy.word.unknown", "p:3:22: unknown action 'limit'; known: pass, drop"},
};

static void refuses(void **state)
{
	_cleanup_(policy_freep) struct policy *p = NULL;
	const struct bad *b = *state;
	struct fault f = {0};

	assert_int_equal(policy_parse("p", b->text, strlen(b->text), &p, &f), -EINVAL);
	assert_null(p);
	assert_int_equal(f.err, -EINVAL);
	assert_string_equal(f.text, b->words);
	assert_string_equal(f.code, b->code);
	assert_int_equal(policy_parse("p", b->text, strlen(b->text), &p, NULL), -EINVAL);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(bad)];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		tests[i] = (struct CMUnitTest){
			.name = bad[i].promise,
			.test_func = refuses,
			.initial_state = (void *)(uintptr_t)&bad[i],
		};
	return cmocka_run_group_tests_name("policy_parse", tests, NULL, NULL);
}
