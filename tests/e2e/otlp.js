// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A receiver of OTLP/HTTP that knows nothing of weir. It holds every request to the messages of OpenTelemetry's protocol, which it reads out
// of the npm package @opentelemetry/otlp-transformer (generated from the .proto files), by the rules of the JSON encoding: no other fields,
// 64 bits as decimal strings, identifiers as lower-case hex, enums as numbers, no number that is none. What is good is a line of FILE:
// {"path": ..., "headers": ..., "body": ...}; what is not is one with "bad", and is answered 400.
//
//	node otlp.js PORT root.js FILE
//
// If there is a file FILE.answer, {"path": ..., "status": ..., "retry_after": ..., "body": ...}, the next request to that path is answered
// so, and the file removed; a line with "answered" says when.

'use strict';
const fs = require('fs');
const http = require('http');

const [port, root, file] = process.argv.slice(2);
const INTERFACE = /@memberof (\S+)\n\s*\* @interface (\S+)\n((?:\s*\* @property .*\n)*)/g;
const ENUM = /@name (\S+)\n\s*\* @enum \{number\}\n((?:\s*\* @property .*\n)*)/g;
const LARGEST = {signed: [-(2n ** 63n), 2n ** 63n - 1n], unsigned: [0n, 2n ** 64n - 1n]};
const SIGNED = ['intValue', 'asInt'];
const DIGITS = {traceId: 32, spanId: 16, parentSpanId: 16};
const ONE_OF = [['stringValue', 'boolValue', 'intValue', 'doubleValue', 'arrayValue', 'kvlistValue', 'bytesValue'],
	['asInt', 'asDouble'], ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary']];

function read(text) {
	const messages = {}, enums = {};

	for (const [, scope, name, properties] of text.matchAll(INTERFACE)) {
		const fields = messages[`${scope}.${name}`] = {};

		for (const [, type, field] of properties.matchAll(/\{(.*)\|null\} \[(\w+)\]/g))
			fields[field] = type;
	}
	for (const [, name, properties] of text.matchAll(ENUM))
		enums[name] = [...properties.matchAll(/=(\d+)/g)].map(m => +m[1]);
	return {messages, enums};
}

const {messages, enums} = read(fs.readFileSync(root, 'utf8'));

function fail(where, what) {
	throw new Error(`${where}: ${what}`);
}

function checkLong(value, field, where) {
	const [least, most] = LARGEST[SIGNED.includes(field) ? 'signed' : 'unsigned'];

	if (typeof value !== 'string' || !/^(0|-?[1-9][0-9]*)$/.test(value) || BigInt(value) < least || BigInt(value) > most)
		fail(where, `no decimal string of 64 bits: ${JSON.stringify(value)}`);
}

function check(value, type, field, where) {
	const array = /^Array\.<(.*)>$/.exec(type);

	if (array) {
		if (!Array.isArray(value))
			fail(where, 'no array');
		value.forEach((v, i) => check(v, array[1], field, `${where}[${i}]`));
	} else if (type === 'number|Long') {
		checkLong(value, field, where);
	} else if (type === 'Uint8Array') {
		if (typeof value !== 'string' || !/^[0-9a-f]+$/.test(value) || /^0+$/.test(value) || value.length !== DIGITS[field])
			fail(where, `no identifier: ${JSON.stringify(value)}`);
	} else if (['number', 'string', 'boolean'].includes(type)) {
		if (typeof value !== type || value === Infinity)
			fail(where, `no ${type}: ${JSON.stringify(value)}`);
	} else if (enums[type]) {
		if (!enums[type].includes(value))
			fail(where, `not one of ${enums[type]}: ${JSON.stringify(value)}`);
	} else if (messages[type]) {
		checkMessage(value, type, where);
	} else {
		fail(where, `no such type: ${type}`);
	}
}

function checkMessage(value, type, where) {
	if (typeof value !== 'object' || value === null || Array.isArray(value))
		fail(where, 'no object');
	for (const [key, member] of Object.entries(value)) {
		if (!messages[type][key])
			fail(where, `${type} has no field ${key}`);
		check(member, messages[type][key], key, `${where}.${key}`);
	}
	for (const alternatives of ONE_OF)
		if (alternatives.every(a => messages[type][a]) && alternatives.filter(a => a in value).length !== 1)
			fail(where, `not one of ${alternatives}`);
	checkMeaning(value, type, where);
}

// What the comments in the .proto files ask for.
function checkMeaning(v, type, where) {
	const keys = (v.attributes || []).map(a => a.key);

	if (new Set(keys).size !== keys.length)
		fail(where, `an attribute comes twice: ${keys}`);
	if (type.endsWith('.ISpan') && !(v.traceId && v.spanId && v.name && BigInt(v.startTimeUnixNano) > 0n &&
		BigInt(v.startTimeUnixNano) <= BigInt(v.endTimeUnixNano)))
		fail(where, 'a span has identifiers, a name, and ends after it began');
	if (type.endsWith('DataPoint') && !(BigInt(v.timeUnixNano) > 0n && BigInt(v.startTimeUnixNano || 0) <= BigInt(v.timeUnixNano)))
		fail(where, 'a point has a time, and begins before it');
	if (type.endsWith('.IMetric') && !v.name)
		fail(where, 'a metric has a name');
	if (type.endsWith('.ISum') && !(v.aggregationTemporality > 0 && v.dataPoints.length))
		fail(where, 'a sum has a temporality and points');
	if (type.endsWith('.IHistogramDataPoint')) {
		const sum = v.bucketCounts.reduce((a, b) => a + BigInt(b), 0n);

		if (v.bucketCounts.length !== v.explicitBounds.length + 1 || sum !== BigInt(v.count) ||
			v.explicitBounds.some((b, i) => i && b <= v.explicitBounds[i - 1]))
			fail(where, 'buckets fit bounds, and add up to the count');
	}
}

const REQUESTS = {
	'/v1/traces': 'opentelemetry.proto.collector.trace.v1.IExportTraceServiceRequest',
	'/v1/metrics': 'opentelemetry.proto.collector.metrics.v1.IExportMetricsServiceRequest',
	'/v1/logs': 'opentelemetry.proto.collector.logs.v1.IExportLogsServiceRequest',
};

function say(line) {
	fs.appendFileSync(file, `${JSON.stringify(line)}\n`);
}

// What somebody wants the next request to be answered.
function wanted(path) {
	let answer;

	try {
		answer = JSON.parse(fs.readFileSync(`${file}.answer`, 'utf8'));
	} catch {
		return null;
	}
	if (answer.path !== path)
		return null;
	fs.unlinkSync(`${file}.answer`);
	return answer;
}

function answer(request, response, text) {
	const planned = wanted(request.url);
	let line = {path: request.url, at: Date.now(), headers: request.headers};

	try {
		if (request.method !== 'POST' || request.headers['content-type'] !== 'application/json' || !REQUESTS[request.url])
			fail(request.url, 'no request of OTLP in JSON');
		line.body = JSON.parse(text);
		check(line.body, REQUESTS[request.url], '', '$');
	} catch (e) {
		line = {path: request.url, bad: e.message, text: text.slice(0, 2000)};
	}
	if (planned) {
		line.answered = planned.status;
		if (planned.retry_after)
			response.setHeader('Retry-After', planned.retry_after);
		// Nothing of it was taken.
		if (planned.status !== 200)
			delete line.body;
	}
	response.statusCode = line.bad ? 400 : planned ? planned.status : 200;
	response.setHeader('Content-Type', 'application/json');
	say(line);
	response.end(JSON.stringify(planned && planned.body || {}));
}

if (port === '--check') {
	// That the checker refuses what it should: a good body comes on standard input, and the mutilated ones must fail.
	const body = JSON.parse(fs.readFileSync(0, 'utf8'));
	const type = REQUESTS[`/v1/${file}`];
	const text = JSON.stringify(body);
	const worse = [t => t.replace('"spanId"', '"span_id"'), t => t.replace(/"traceId":"[0-9a-f]{32}"/, '"traceId":"AAAA"'),
		t => t.replace(/"startTimeUnixNano":"(\d+)"/, '"startTimeUnixNano":$1'), t => t.replace('"kind":2', '"kind":9'),
		t => t.replace('"stringValue"', '"intValue"')];

	check(body, type, '', '$');
	for (const spoil of worse) {
		let refused = false;

		try {
			check(JSON.parse(spoil(text)), type, '', '$');
		} catch {
			refused = true;
		}
		if (!refused)
			throw new Error(`taken: ${spoil}`);
	}
} else {
	http.createServer((request, response) => {
		const chunks = [];

		request.on('data', chunk => chunks.push(chunk));
		request.on('end', () => answer(request, response, Buffer.concat(chunks).toString('utf8')));
	}).listen(+port, '127.0.0.1');
}
