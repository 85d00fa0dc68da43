// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Holds the JSON Schema of policies to what the checker says, with validators that others wrote: every
// good policy fits it, what is built wrongly does not, and the schema itself is a good one. Prints TAP.
//
//	NODE_PATH=.../node_modules node schema.js WEIR SCHEMA.json POLICY.yaml...

'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawnSync } = require('child_process');
const Ajv = require('ajv/dist/2020');
const addFormats = require('ajv-formats');
const YAML = require('yaml');

const [weir, schemaFile, ...files] = process.argv.slice(2);
const schema = JSON.parse(fs.readFileSync(schemaFile, 'utf8'));
const ajv = new Ajv({ strict: true, strictTypes: false, allErrors: true });
addFormats(ajv);

let tests = 0, failures = 0;

function check(words, problem) {
	console.log(`${problem ? 'not ok' : 'ok'} ${++tests} - ${words}`);
	if (problem) {
		failures++;
		console.log(problem.replace(/^/gm, '# '));
	}
}

// As an editor reads YAML.
function fits(validate, text) {
	return validate(YAML.parse(text)) ? null : JSON.stringify(validate.errors.slice(0, 3));
}

const HEAD = 'apiVersion: weir/v1\nmode: enforce\n';
const limit = keys => `${HEAD}limits: [{name: a, scope: source, rate: 1k/s, ${keys}}]\n`;
const service = keys => `${HEAD}services: {a: {${keys}}}\n`;

// What is wrong with how each is built, the schema must see as the checker does.
const wrong = {
	'an empty mapping': '{}\n',
	'a list': '[]\n',
	'a policy without a mode': 'apiVersion: weir/v1\n',
	'another version': 'apiVersion: weir/v2\nmode: off\n',
	'an unknown mode': 'apiVersion: weir/v1\nmode: enforced\n',
	'an unknown key': `${HEAD}limit: []\n`,
	'limits that are a mapping': `${HEAD}limits: {a: 1}\n`,
	'an unknown key in a limit': limit('brust: 5'),
	'a limit without a name': `${HEAD}limits: [{scope: source, rate: 1k/s}]\n`,
	'a limit without a scope': `${HEAD}limits: [{name: a, rate: 1k/s}]\n`,
	'a limit that is a word': `${HEAD}limits: [a]\n`,
	'a rate without a unit': `${HEAD}limits: [{name: a, scope: source, rate: 1000}]\n`,
	'a rate without a period': `${HEAD}limits: [{name: a, scope: source, rate: 1k}]\n`,
	'a burst with a unit of time': limit('burst: 5/s'),
	'a size without a unit': limit('byte_rate: 1MB/s, byte_burst: 1000000'),
	'bytes without a period': limit('byte_rate: 1MB'),
	'a window without a unit': limit('algorithm: fixed_window, window: 10'),
	'an unknown algorithm': limit('algorithm: magic'),
	'an unknown scope': `${HEAD}limits: [{name: a, scope: host, rate: 1k/s}]\n`,
	'a name of capitals': `${HEAD}limits: [{name: A, scope: source, rate: 1k/s}]\n`,
	'a cost of 0': limit('cost: {syn: 0}'),
	'a cost of 256': limit('cost: {syn: 256}'),
	'an unknown class': limit('cost: {quic: 1}'),
	'half a prefix': `${HEAD}limits: [{name: a, scope: source_prefix, rate: 1k/s, prefix: {ip4: 24}}]\n`,
	'a prefix of 33 bits':
		`${HEAD}limits: [{name: a, scope: source_prefix, rate: 1k/s, prefix: {ip4: 33, ip6: 48}}]\n`,
	'more than all': limit('rollout: {percent: 101}'),
	'a schedule without a time zone': limit('schedule: {days: mon}'),
	'a day that is none': limit('schedule: {days: monday, time_zone: UTC}'),
	'hours that are none': limit('schedule: {hours: 8-18, time_zone: UTC}'),
	'an adaptive limit without a target': limit('adaptive: {min: 10%}'),
	'a share without a unit': limit('adaptive: {target: {softirq: 50%}, min: 10}'),
	'a truth value that is none': limit('shadow: maybe'),
	'an unknown action': limit('action: reject'),
	'mark without a number': limit('action: mark'),
	'an unknown mark': limit('action: {mark: af99}'),
	'a mark of 64': limit('action: {mark: 64}'),
	'a share to answer that is none': limit('reject: 5%'),
	'an unknown way out': limit('on_full: block'),
	'a service that is a word': `${HEAD}services: {a: tcp}\n`,
	'a service whose name has capitals': `${HEAD}services: {Web: {proto: tcp}}\n`,
	'an unknown key in a service': service('proto: tcp, sport: 5'),
	'an unknown protocol': service('proto: tpc'),
	'protocol 256': service('proto: 256'),
	'a port that is a word': service('proto: tcp, dport: http'),
	'port 65536': service('proto: tcp, dport: 65536'),
	'an empty list of ports': service('proto: tcp, dport: []'),
	'an address that is a word': service('dst: localhost'),
	'cookies that are none': service('proto: tcp, dport: 80, syn_cookies: maybe'),
	'an entry without an address': `${HEAD}lists: {block: {entries: [{ttl: 1h}]}}\n`,
	'an entry that is a list': `${HEAD}lists: {block: {entries: [[10.0.0.1]]}}\n`,
	'an unknown list': `${HEAD}lists: {grey: {entries: []}}\n`,
	'a time to live without a unit': `${HEAD}lists: {block: {entries: [{cidr: 10.0.0.1, ttl: 5}]}}\n`,
	'a feed without a file': `${HEAD}lists: {block: {feeds: [{name: a}]}}\n`,
	'a feed with a relative path': `${HEAD}lists: {block: {feeds: [{name: a, file: b}]}}\n`,
	'an unknown format': `${HEAD}lists: {block: {feeds: [{name: a, file: /b, format: xml}]}}\n`,
	'fragments without a rate': `${HEAD}packets: {fragments: {burst: 1}}\n`,
	'an unknown kind of packets': `${HEAD}packets: {arp: drop}\n`,
	'a profile that is a word': `${HEAD}profiles: {a: b}\n`,
	'a profile in a profile': `${HEAD}profiles: {a: {profiles: {}}}\n`,
	'an unknown mode in a profile': `${HEAD}profiles: {a: {mode: of}}\n`,
	'a limit without a name in a profile': `${HEAD}profiles: {a: {limits: [{rate: 1k/s}]}}\n`,
};

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-schema-'));
process.on('exit', () => fs.rmSync(scratch, { recursive: true }));

function isRefused(text) {
	const file = path.join(scratch, 'policy.yaml');

	fs.writeFileSync(file, text, { mode: 0o600 });
	return spawnSync(weir, ['policy', 'check', file]).status === 1;
}

function examplesOf(node, found) {
	if (!node || typeof node !== 'object')
		return found;
	if (Array.isArray(node.examples))
		found.push(node);
	for (const value of Object.values(node))
		examplesOf(value, found);
	return found;
}

check('the schema is a good schema of draft 2020-12',
	ajv.validateSchema(schema) ? null : JSON.stringify(ajv.errors));
const validate = ajv.compile(schema);

let bad = [];
for (const file of files) {
	const problem = fits(validate, fs.readFileSync(file, 'utf8'));

	if (problem)
		bad.push(`${file}: ${problem}`);
}
check(`each of ${files.length} good policies fits the schema`, bad.length ? bad.join('\n') : null);
check('there are policies enough to tell', files.length > 100 ? null : `only ${files.length}`);

bad = [];
for (const node of examplesOf(schema, []))
	for (const example of node.examples) {
		const { examples, description, ...rules } = node;
		const one = ajv.compile({ $defs: schema.$defs, ...rules });

		if (!one(example))
			bad.push(`${JSON.stringify(example)}: ${description}: ${JSON.stringify(one.errors[0])}`);
		if (!description)
			bad.push(`no description: ${JSON.stringify(node)}`);
	}
check('each example in the schema fits what it is an example of', bad.length ? bad.join('\n') : null);

for (const [words, text] of Object.entries(wrong)) {
	const problem = !isRefused(text) ? 'the checker accepts it'
		: fits(validate, text) ? null : 'the schema accepts it';

	check(`${words} is refused by the checker and by the schema`, problem);
}
console.log(`1..${tests}`);
process.exitCode = failures ? 1 : 0;
