// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Requests made from the schemas of the description, right ones and mutated ones: REQUESTS of them, from SEED. None is
// answered by what is not described, by a failure of the host, or not at all. Who asks may do everything, but the end of
// enforcement is asked for only by whom it is refused.

import {Description, ask, bodiesOf, end, isStream, tap} from './lib.mjs';

const SEED = +(process.env.SEED ?? 1), REQUESTS = +(process.env.REQUESTS ?? 2000), AT_ONCE = 8;
const descriptions = await Promise.all(['v1', 'v2'].map(v => Description.fetch(v)));

// mulberry32: the same requests from the same seed.
function random(seed) {
	return () => {
		seed = seed + 0x6d2b79f5 | 0;
		let t = Math.imul(seed ^ seed >>> 15, 1 | seed);

		t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
		return ((t ^ t >>> 14) >>> 0) / 4294967296;
	};
}

const STRINGS = ['', ' ', '0', '-1', '1h', '10m', '99999999999999999999w', 'x'.repeat(300), 'x'.repeat(5000), '\u0000', '\ud800', 'ä€😀', '%00', '../../etc/passwd',
	'198.51.100.7', '198.51.100.0/24', '198.51.100.7/24', '::ffff:198.51.100.7', '2001:db8::/32', '0.0.0.0/0', '::/0', 'fe80::1%eth0', '1.2.3', '"', '\\', "'; DROP TABLE x", '{{', 'true',
	'2026-11-21T00:00:00Z', '2026-13-41T99:99:99Z', '1969-01-01T00:00:00Z', 'list.*', '*', '100%', '0.5%', '-5%', '1e309', 'host', 'trial', 'web', 'on', 'forever', 'latest', 'g1', '"g1"', '\n', '\r\nX: y', 'feed:x', '198.51.100.7/32,operator'];
const NUMBERS = [0, 1, -1, 0.5, 42, 255, 256, 65535, 65536, 2147483647, 2147483648, 4294967295, 4294967296, 9007199254740991, 1e18, 9223372036854775807, 1e19, 1e300];

// Most values of these end a request before its handler.
const RARE = new Set(['fields', 'Idempotency-Key', 'If-None-Match']);
// What would end the test, or have its other requests ask for passwords.
const AS_VIEWER = new Set(['detach', 'enrollTotp']);
// What takes longer the longer the log is, or always: a tenth as often as the others, or there would be nothing else. With
// sanitizers, on a busy machine, a report of so many records takes its time.
const LONG = new Set(['getDoctor', 'getAuditStats', 'getAuditReport', 'checkAuditReport', 'rotateAuditKey', 'rotateVaultKey', 'exportAuditEvents',
	'listAuditEvents', 'getDescription']);
const PATIENCE = {usual: 20000, long: 180000};

class Maker {
	constructor(description, seed) {
		this.d = description;
		this.random = random(seed);
	}

	below(n) {
		return Math.floor(this.random() * n);
	}

	pick(list) {
		return list[this.below(list.length)];
	}

	chance(share) {
		return this.random() < share;
	}

	string() {
		return this.pick(STRINGS);
	}

	anything(depth = 0) {
		const kinds = [() => null, () => this.chance(.5), () => this.pick(NUMBERS), () => this.string(),
			() => Array.from({length: this.below(depth > 2 ? 1 : 4)}, () => this.anything(depth + 1)),
			() => Object.fromEntries(Array.from({length: this.below(depth > 2 ? 1 : 4)}, () => [this.string(), this.anything(depth + 1)]))];

		return this.pick(kinds)();
	}

	// A value that @schema allows, as far as its words tell.
	valid(schema) {
		const s = this.d.follow(schema);

		if (s.oneOf || s.anyOf || s.allOf)
			return this.valid(this.pick(s.oneOf ?? s.anyOf ?? s.allOf));
		if (s.enum)
			return this.pick(s.enum);
		if (s.examples && this.chance(.6))
			return this.pick(s.examples);
		switch ([s.type].flat()[0]) {
		case 'object':
			return Object.fromEntries(Object.entries(s.properties ?? {}).filter(([k]) => s.required?.includes(k) || this.chance(.5))
				.map(([k, v]) => [k, this.valid(v)]));
		case 'array':
			return Array.from({length: this.below(4)}, () => this.valid(s.items));
		case 'boolean':
			return this.chance(.5);
		case 'null':
			return null;
		case 'integer':
		case 'number':
			return this.pick(NUMBERS.filter(n => Number.isInteger(n) && n >= (s.minimum ?? 0) && n <= (s.maximum ?? 2 ** 53)));
		default:
			return this.string();
		}
	}

	// Something else than was meant, somewhere in @value.
	mutated(value) {
		if (value && typeof value === 'object' && this.chance(.8)) {
			const keys = Object.keys(value);

			if (!keys.length || (!Array.isArray(value) && this.chance(.2)))
				return {...value, [this.string()]: this.anything()};
			const key = this.pick(keys);

			if (!Array.isArray(value) && this.chance(.2)) {
				const {[key]: gone, ...rest} = value;

				return rest;
			}
			value[key] = this.mutated(value[key]);
			return value;
		}
		return this.anything();
	}

	// A text with some bytes of it otherwise, cut, or doubled.
	garbled(text) {
		const at = this.below(text.length + 1);

		return this.pick([() => text.slice(0, at), () => text.slice(0, at) + this.string() + text.slice(at), () => text + text,
			() => text.slice(0, at) + String.fromCharCode(this.below(256)) + text.slice(at + 1), () => this.string()])();
	}

	body(o) {
		if (!o.requestBody)
			return this.chance(.05) ? this.string() : undefined;
		const [[type, media]] = Object.entries(o.requestBody.content);
		const examples = Object.values(bodiesOf(o));

		if (this.chance(.03))
			return undefined;
		if (type !== 'application/json')
			return this.chance(.2) ? this.pick(examples) : this.garbled(this.pick(examples));
		let value = this.chance(.3) ? JSON.parse(this.pick(examples)) : this.valid(media.schema);

		if (this.chance(.5))
			value = this.mutated(value);
		const text = JSON.stringify(value);

		return this.chance(.1) ? this.garbled(text) : text;
	}

	operation() {
		const o = this.pick(this.d.operations);

		return LONG.has(o.operationId) && this.chance(.9) ? this.operation() : o;
	}

	request() {
		const o = this.operation();
		const query = new URLSearchParams(), headers = {};
		let path = o.path;

		for (const p of o.parameters) {
			let value = this.chance(.4) && p.example !== undefined ? p.example : this.chance(.5) ? this.valid(p.schema) : this.string();

			value = String(value);
			if (p.in === 'path')
				path = path.replace(`{${p.name}}`, encodeURIComponent(value.toWellFormed()));
			else if (RARE.has(p.name) && !this.chance(.1))
				continue;
			else if (p.in === 'query' && this.chance(.5))
				query.append(p.name, value.toWellFormed());
			else if (p.in === 'header' && this.chance(p.required ? .9 : .5))
				headers[p.name] = value.replace(/[^\x20-\x7e]/g, '?');
		}
		if (this.chance(.05))
			query.append(this.string().toWellFormed(), this.string().toWellFormed());
		return {o, method: o.method, path: `/${this.d.version}${path}${query.size ? `?${query}` : ''}`, headers, body: this.body(o), role: AS_VIEWER.has(o.operationId) ? 'viewer' : 'root'};
	}
}

const statuses = {}, spent = {}, wrong = [];
let slowest = 0;

// What the path is after its parameters may be another's, or nobody's: 404 and 405 are always described at their routes.
function judge(maker, r, answer) {
	if (answer.status >= 500 && ![501, 503, 507].includes(answer.status))
		return `status ${answer.status}: ${answer.text.slice(0, 300)}`;
	if (answer.status === 405 || answer.status === 429 || !answer.text && answer.status === 400)
		return null;
	/* A selection of members has not all that the schema requires. */
	if (answer.status === 200 && new URLSearchParams(r.path.split('?')[1]).has('fields'))
		return null;
	return maker.d.judge(r.o, answer);
}

async function one(n) {
	const maker = new Maker(descriptions[n % descriptions.length], SEED * 1000003 + n);
	const r = maker.request();

	try {
		const answer = await ask(r.method, r.path, {headers: r.headers, body: r.body, role: r.role, stream: isStream(r.o),
			timeout: LONG.has(r.o.operationId) ? PATIENCE.long : PATIENCE.usual});
		const error = judge(maker, r, answer);

		statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
		slowest = Math.max(slowest, answer.ms);
		spent[r.o.operationId] = (spent[r.o.operationId] ?? 0) + answer.ms;
		if (error)
			wrong.push(`${n}: ${r.o.operationId} ${r.method} ${r.path.slice(0, 120)} ${(r.body ?? '').slice(0, 200)}: ${error}`);
	} catch (e) {
		wrong.push(`${n}: ${r.o.operationId} ${r.method} ${r.path.slice(0, 120)} ${(r.body ?? '').slice(0, 200)}: ${e.message}`);
	}
}

let next = 0;

await Promise.all(Array.from({length: AT_ONCE}, async () => {
	while (next < REQUESTS && wrong.length < 50) {
		if (next && next % 10000 === 0)
			console.log(`# ${next} after ${(performance.now() / 1000).toFixed(0)} s`);
		await one(next++);
	}
}));
console.log(`# SEED=${SEED} REQUESTS=${next}: ${JSON.stringify(statuses)}, the slowest ${slowest.toFixed(0)} ms`);
console.log(`# seconds waited for: ${Object.entries(spent).sort((a, b) => b[1] - a[1]).slice(0, 12).map(([id, ms]) => `${id} ${(ms / 1000).toFixed(1)}`).join(', ')}`);
tap('requests made from the schemas are answered as described', wrong);
end();
