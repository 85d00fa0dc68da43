// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What the tests of the API share: requests over the Unix socket as this or that role, and the judgement whether an answer is
// one that the description has. Runs as root; ROLES is {"viewer": 61203, ...}, the groups that roles are.

import http from 'node:http';
import {createRequire} from 'node:module';

const require = createRequire(import.meta.url);

export const SOCKET = process.env.WEIR_SOCKET;
const groups = JSON.parse(process.env.ROLES ?? '{}');
const NOBODY = 65534;
const agents = new Map();

// Who is at the other end is what the process is when it connects: 'viewer' is nobody with that role, 'viewer@65533' another user.
class RoleAgent extends http.Agent {
	constructor(role, options) {
		super({keepAlive: true, ...options});
		this.role = role;
	}

	createConnection(...args) {
		if (this.role === 'root')
			return super.createConnection(...args);
		const [role, uid] = this.role.split('@');

		process.setgroups(role in groups ? [groups[role]] : []);
		process.setegid(NOBODY);
		process.seteuid(+(uid ?? NOBODY));
		try {
			return super.createConnection(...args);
		} finally {
			process.seteuid(0);
			process.setegid(0);
			process.setgroups([0]);
		}
	}
}

function agentOf(role) {
	if (!agents.has(role))
		agents.set(role, new RoleAgent(role, {maxSockets: 8}));
	return agents.get(role);
}

// {status, headers, text, ms}; an error if nothing came for @timeout ms. An answer that is a @stream is what comes first of it.
export function ask(method, path, {role = 'root', headers = {}, body, timeout = 20000, stream = false} = {}) {
	return new Promise((resolve, reject) => {
		const began = performance.now();
		const request = http.request({socketPath: SOCKET, method, path, agent: agentOf(role), timeout,
			headers: body === undefined ? headers : {'Content-Length': Buffer.byteLength(body), ...headers}}, answer => {
			const parts = [];
			const done = () => resolve({status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString(),
				ms: performance.now() - began});
			const leave = () => done(request.destroy());

			answer.on('data', part => parts.push(part));
			answer.on('error', reject);
			answer.on('end', done);
			if (stream && answer.statusCode === 200) {
				answer.once('data', leave);
				setTimeout(leave, 500);
			}
		});

		request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer in ${timeout} ms`)));
		request.on('error', reject);
		request.end(body);
	});
}

// As ask(); what comes too often, or while another such thing is done, is asked again when it may be, for a minute.
export async function askPatiently(method, path, options) {
	for (const began = performance.now();;) {
		const answer = await ask(method, path, options);
		const wait = answer.status === 429 ? answer.headers['retry-after'] : answer.text.includes('"code":"request.busy"') ? .1 : null;

		if (!wait || performance.now() - began > 60000)
			return answer;
		await new Promise(r => setTimeout(r, 1000 * wait));
	}
}

// An answer that goes on: NDJSON, the messages of which come into .messages, or any text. pause() takes no more of it.
export function open(path, {role = 'root', headers = {}} = {}) {
	return new Promise((resolve, reject) => {
		const request = http.request({socketPath: SOCKET, path, agent: agentOf(role), headers}, answer => {
			const stream = {answer: {status: answer.statusCode, headers: answer.headers}, text: '', messages: [], pause: () => answer.pause(),
				resume: () => answer.resume(), close: () => request.destroy()};
			let rest = '';

			// Wait for what @good says of the messages, for @timeout ms. Whether it came.
			stream.until = async (good, timeout = 30000) => {
				for (const began = performance.now(); performance.now() - began < timeout && !answer.closed;) {
					if (good(stream.messages))
						return true;
					await new Promise(r => setTimeout(r, 20));
				}
				return good(stream.messages);
			};
			answer.setEncoding('utf8');
			answer.on('error', () => {});
			answer.on('data', part => {
				stream.text += part;
				if (!answer.headers['content-type'].endsWith('ndjson'))
					return;
				const lines = (rest + part).split('\n');

				rest = lines.pop();
				stream.messages.push(...lines.map(l => JSON.parse(l)));
			});
			resolve(stream);
		});

		request.on('error', reject);
		request.end();
	});
}

export function close() {
	for (const agent of agents.values())
		agent.destroy();
}

const escape = text => text.replaceAll('~', '~0').replaceAll('/', '~1');

export class Description {
	constructor(version, document) {
		const Ajv = require('ajv/dist/2020').default, formats = require('ajv-formats').default;

		this.version = version;
		this.document = document;
		this.ajv = new Ajv({strict: false, allErrors: false, validateSchema: false});
		formats(this.ajv);
		this.ajv.addSchema(document, version);
		this.validators = new Map();
		this.operations = Object.entries(document.paths).flatMap(([path, item]) =>
			Object.entries(item).map(([method, o]) => ({...o, path, method: method.toUpperCase(), pointer: `/paths/${escape(path)}/${method}`,
				parameters: (o.parameters ?? []).map(p => this.follow(p))})));
	}

	static async fetch(version) {
		const answer = await ask('GET', `/${version}/openapi.json`);

		if (answer.status !== 200)
			throw new Error(`/${version}/openapi.json: ${answer.status}`);
		return new Description(version, JSON.parse(answer.text));
	}

	follow(value) {
		return value?.$ref ? value.$ref.slice(2).split('/').reduce((o, k) => o[k.replaceAll('~1', '/').replaceAll('~0', '~')], this.document) : value;
	}

	// What is wrong with @value as the schema at @pointer has it; null: nothing.
	check(pointer, value) {
		if (!this.validators.has(pointer))
			this.validators.set(pointer, this.ajv.compile({$ref: `${this.version}#${encodeURI(pointer)}`}));
		const validate = this.validators.get(pointer);

		if (validate(value))
			return null;
		return validate.errors.map(e => `${e.instancePath || '/'} ${e.message} ${JSON.stringify(e.params)}`).join('; ');
	}

	// What an answer to @operation has that the description has not; null: nothing.
	judge(operation, answer) {
		const entry = operation.responses[answer.status];

		if (!entry)
			return `status ${answer.status} is not described: ${answer.text.slice(0, 200)}`;
		const response = this.follow(entry);
		const pointer = entry.$ref ? entry.$ref.slice(1) : `${operation.pointer}/responses/${answer.status}`;
		const type = (answer.headers['content-type'] ?? '').split(';')[0];

		for (const name of Object.keys(answer.headers))
			if (/^(x-|api-|ratelimit|etag|deprecation|sunset|link|retry-after|traceparent|www-authenticate|idempotency)/.test(name) &&
			    !Object.keys(response.headers ?? {}).some(h => h.toLowerCase() === name))
				return `header ${name} is not described`;
		if (!answer.headers['x-request-id'])
			return 'there is no X-Request-ID';
		if (!response.content)
			return answer.text && `${answer.status} has a body`;
		if (!response.content?.[type])
			return `${answer.status} as '${type}' is not described`;
		return this.judgeBody(operation, answer, `${pointer}/content/${escape(type)}/schema`, type);
	}

	judgeBody(operation, answer, pointer, type) {
		if (type === 'application/x-ndjson') {
			if (operation.operationId === 'exportAuditEvents')
				return null;
			return answer.text.split('\n').slice(0, -1) /* a stream may break off in a line */
				.map(l => this.check(pointer, JSON.parse(l))).find(e => e) ?? null;
		}
		if (!type.endsWith('json'))
			return null;
		if (type === 'application/json' && operation.operationId === 'exportAuditEvents')
			return null;
		const body = JSON.parse(answer.text);
		const error = this.check(pointer, body);

		if (error || type === 'application/json')
			return error && `${error} in ${answer.text.slice(0, 300)}`;
		const codes = [...(this.document['x-codes'][answer.status] ?? []), ...(operation['x-codes']?.[answer.status] ?? [])];

		if (body.status !== answer.status)
			return `the problem says status ${body.status}`;
		if (answer.status < 500 && !codes.includes(body.code) && !codes.some(c => c.endsWith('*') && body.code.startsWith(c.slice(0, -1))))
			return `code ${body.code} is not described for ${answer.status}: ${body.detail}`;
		return null;
	}
}

export const isStream = operation => ['streamEvents', 'streamTrace'].includes(operation.operationId);

// The path of @operation with @values, by the names of its parts, or the examples of the description.
export function pathOf(operation, version, values = {}, queries = true) {
	let path = operation.path;
	const query = new URLSearchParams();

	for (const p of operation.parameters) {
		const value = (p.in === 'path' ? values[p.name] : undefined) ?? p.example;

		if (value === undefined)
			continue;
		if (p.in === 'path')
			path = path.replace(`{${p.name}}`, encodeURIComponent(value));
		else if (p.in === 'query' && (queries || p.required))
			query.set(p.name, value);
	}
	return `/${version}${path}${query.size ? `?${query}` : ''}`;
}

export const headersOf = operation => Object.fromEntries(
	operation.parameters.filter(p => p.in === 'header' && p.example !== undefined).map(p => [p.name, p.example]));

// The examples of bodies, by name, as they are sent.
export function bodiesOf(operation) {
	const [[, media]] = Object.entries(operation.requestBody?.content ?? {'': {}});

	return Object.fromEntries(Object.entries(media.examples ?? {}).map(([name, e]) =>
		[name, typeof e.value === 'string' ? e.value : JSON.stringify(e.value)]));
}

let tests = 0, failures = 0;

export function tap(words, problems) {
	const list = [problems].flat().filter(p => p);

	console.log(`${list.length ? 'not ok' : 'ok'} ${++tests} - ${words}`);
	list.slice(0, 25).forEach(p => console.log(`# ${String(p).slice(0, 600)}`));
	if (list.length > 25)
		console.log(`# and ${list.length - 25} more`);
	failures += !!list.length;
}

export function end() {
	console.log(`1..${tests}`);
	close();
	process.exit(failures ? 1 : 0);
}
