// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The contract: the description has what the daemon routes and nothing else; every example of it can be executed; every
// operation, asked for as each role in each version, is answered as it is described, and refused to whom it is not for.
// Writes what was refused to the file that is the argument, as {"role operation": number}. Ends nothing.

import {createHmac} from 'node:crypto';
import {writeFileSync} from 'node:fs';
import {Description, ask, askPatiently, bodiesOf, end, headersOf, isStream, pathOf, tap} from './lib.mjs';
import {heartbeats, lockout, slowReader} from './provoked.mjs';

const ROLES = ['admin', 'operator', 'auditor', 'viewer', 'nobody'];
const VERSIONS = ['v1', 'v2'];
const descriptions = await Promise.all(VERSIONS.map(v => Description.fetch(v)));
const table = JSON.parse((await ask('GET', '/v1/roles')).text);

function routesAndFile(d) {
	const described = new Map(d.operations.map(o => [`${o.method} ${o.path}`, o]));
	const wrong = [];

	for (const r of table.routes) {
		const key = `${r.method} ${r.path.replaceAll('{+', '{')}`;
		const o = described.get(key);

		described.delete(key);
		if (!o)
			wrong.push(`${key} is not described`);
		else if (o.operationId !== r.operation || o['x-permission'] !== r.permission)
			wrong.push(`${key}: ${r.operation}, ${r.permission} is described as ${o.operationId}, ${o['x-permission']}`);
	}
	for (const key of described.keys())
		wrong.push(`${key} is described, but there is no such route`);
	for (const o of d.operations) {
		const names = [...o.path.matchAll(/{([^}]*)}/g)].map(m => m[1]).sort().join();

		const step_up = table.routes.find(r => r.operation === o.operationId)?.step_up;

		if ((step_up !== 'no') !== o.parameters.some(p => p.name === 'X-Weir-TOTP'))
			wrong.push(`${o.method} ${o.path}: X-Weir-TOTP, but step_up ${step_up}`);
		if (names !== o.parameters.filter(p => p.in === 'path').map(p => p.name).sort().join())
			wrong.push(`${o.method} ${o.path}: its parameters are others`);
	}
	return wrong;
}

// Things that examples are about have to be there, and their ids are made when they are.
const ids = {};

async function prepare() {
	const made = async (path, body) => JSON.parse((await askPatiently('POST', path, {body: JSON.stringify(body)})).text).id;

	for (const session of JSON.parse((await ask('GET', '/v1/sessions')).text).items)
		await ask('DELETE', `/v1/sessions/${session.id}`); /* there may be 8 */
	ids.session = await made('/v1/sessions', {});
	ids.key = await made('/v1/keys', {name: 'an example', role: 'viewer'});
	ids.hold = await made('/v1/governance/holds', {category: 'lists', reason: 'an example'});
	ids.request = await made('/v1/governance/requests', {kind: 'access', subject: '198.51.100.7'});
	await ask('POST', '/v1/lists/block', {body: JSON.stringify({cidr: '198.51.100.7'})});
	await ask('PUT', '/v1/flags/trial', {body: JSON.stringify({enabled: true})});
}

// The one-time password of now (RFC 6238), for a @secret in base32.
function password(secret) {
	const bits = [...secret].map(c => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
	const key = Buffer.from(bits.match(/.{8}/g).map(b => parseInt(b, 2)));
	const step = Buffer.alloc(8);

	step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)));
	const hash = createHmac('sha1', key).update(step).digest();

	return String((hash.readUInt32BE(hash.at(-1) & 15) & 0x7fffffff) % 1000000).padStart(6, '0');
}

// Ask for @o by its example as @role, with what can be known only by then: the ETag of what it changes, a token that is good,
// the password of who is enrolled for it. Nobody stays enrolled.
async function askExample(d, o, {role = 'root', body} = {}) {
	const headers = headersOf(o), path = pathOf(o, d.version, {...ids, user: role === 'root' ? 0 : 65534});
	const post = async (what, value) => JSON.parse((await askPatiently('POST', `/v1/${what}`, {role, body: JSON.stringify(value)})).text);

	if (d.version !== 'v1' && 'If-Match' in headers)
		headers['If-Match'] = (await ask('GET', path.replace(/\/rollback|\?.*/g, ''))).headers.etag ?? '*';
	if (o.operationId === 'refreshSession')
		body = JSON.stringify({refresh_token: (await post('sessions', {})).refresh_token});
	if (o.operationId.startsWith('removeTotp'))
		headers['X-Weir-TOTP'] = password((await post('totp', {algorithm: 'sha1'})).secret ?? '');
	const answer = await askPatiently(o.method, path, {role, headers, body, stream: isStream(o)});

	if (o.operationId === 'enrollTotp' && answer.status === 201)
		await ask('DELETE', '/v1/totp', {role, headers: {'X-Weir-TOTP': password(JSON.parse(answer.text).secret)}});
	return answer;
}

// What takes away comes last, so that all examples find what they are about. The end of enforcement is not among them.
const order = o => -(o.operationId === 'makeSubjectRequest') + (o.method === 'DELETE') + (o.operationId === 'putPolicy') * 2 + (o.operationId === 'confirmPolicy') * 3 + (o.operationId === 'rollbackPolicy') * 4;
const calm = d => d.operations.filter(o => o.operationId !== 'detach').sort((a, b) => order(a) - order(b));
// These answer otherwise while there is nothing for them to do, which is described, too.
const IDLE = {confirmPolicy: [409], getRiskSource: [404], recordAuditAnchor: [409, 422], acknowledgeAuditCheckpoint: [404, 409, 422],
	rotateVaultKey: [409], applyRetentionPolicies: [409], rollbackPolicy: [409], rotateAuditKey: [409], endTrace: [404]};

async function executeExamples(d) {
	const wrong = [];
	let good = 0, prepared = false;

	for (const hold of JSON.parse((await ask('GET', '/v1/governance/holds')).text).items)
		await ask('DELETE', `/v1/governance/holds/${hold.id}`); /* they stand against erasing, which comes first */
	for (const o of calm(d)) {
		if (o.operationId !== 'makeSubjectRequest' && !prepared)
			prepared = !await prepare();
		for (const [name, body] of Object.entries({...bodiesOf(o), ...(o.requestBody ? {} : {'': undefined})})) {
			const path = pathOf(o, d.version, ids);
			let answer = await askExample(d, o, {body});
			const error = d.judge(o, answer);

			if (o.operationId === 'putPolicy') /* it waits to be confirmed, which the next example is about */
				ids.generation = JSON.parse(answer.text).generation;
			if (o.operationId === 'confirmPolicy' && ids.generation && answer.status !== 200)
				answer = await ask(o.method, path, {body: JSON.stringify({generation: ids.generation})});
			good += answer.status < 300;
			if (error)
				wrong.push(`${o.operationId} ${name}: ${error}`);
			else if (answer.status >= 300 && !IDLE[o.operationId]?.includes(answer.status))
				wrong.push(`${o.operationId} ${name} (${path}): ${answer.status} ${answer.text.slice(0, 300)}`);
		}
	}
	delete ids.generation;
	console.log(`# ${d.version}: ${good} examples succeeded`);
	return wrong;
}

const denied = {};

async function asRoles(d) {
	const permissions = new Map(table.permissions.map(p => [p.permission, p]));
	const wrong = [];
	let pairs = 0, refused = 0;

	for (const role of ROLES) {
		await prepare();
		for (const o of [...calm(d), d.operations.find(x => x.operationId === 'detach')]) {
			const p = permissions.get(o['x-permission']);
			const may = p.anybody || p.roles.includes(role);

			if (may && o.operationId === 'detach')
				continue;
			const answer = may ? await askExample(d, o, {role, body: Object.values(bodiesOf(o))[0]})
				: await askPatiently(o.method, pathOf(o, d.version, ids), {role, headers: headersOf(o), body: Object.values(bodiesOf(o))[0]});
			const error = d.judge(o, answer);

			pairs++;
			if (error)
				wrong.push(`${role} ${o.operationId}: ${error}`);
			if ((answer.status === 403) === may)
				wrong.push(`${role} ${o.operationId}: ${answer.status}, though ${may ? '' : 'not '}permitted`);
			if (!may) {
				refused++;
				denied[`${role} ${o.operationId}`] = (denied[`${role} ${o.operationId}`] ?? 0) + 1;
			}
			if (o.operationId === 'putPolicy' && answer.status === 200)
				await ask('POST', '/v1/policy/confirm', {body: JSON.stringify({generation: JSON.parse(answer.text).generation})});
		}
	}
	console.log(`# ${d.version}: ${pairs} pairs, ${refused} refused`);
	return wrong;
}

// Each operation is refused in each of the ways that all share.
async function refusals(d) {
	const ways = [
		['a web page', 403, {headers: {Origin: 'http://example.com'}}],
		['an unknown version in a header', 406, {headers: {'X-API-Version': 'v99'}}],
		['two versions', 400, {headers: {'X-API-Version': d.version === 'v1' ? 'v2' : 'v1'}}],
		['a key that is none', 401, {headers: {Authorization: 'Bearer weir_none'}}],
		['fields that are none', 400, {query: 'fields=a..b'}],
		['a key of a request that is none', 400, {headers: {'Idempotency-Key': 'a b'}}, 'Idempotency-Key'],
		['an ETag that is none', 400, {headers: {'If-None-Match': 'g'}}, 'If-None-Match'],
		['an ETag of something else', 412, {headers: {'If-Match': '"g999"'}}, 'If-Match'],
	];
	const wrong = [];

	await prepare();
	for (const o of d.operations)
		for (const [words, status, options, parameter] of ways) {
			if (parameter && !o.parameters.some(p => p.name === parameter))
				continue;
			let path = pathOf(o, d.version, ids);

			if (options.query)
				path += (path.includes('?') ? '&' : '?') + options.query;
			const answer = await ask(o.method, path, {body: Object.values(bodiesOf(o))[0], ...options});
			const error = answer.status === status ? d.judge(o, answer) : `${answer.status} instead of ${status}`;

			if (status === 406 && JSON.parse(answer.text).versions?.join() !== 'v1,v2')
				wrong.push(`${o.operationId}, ${words}: does not say which there are`);

			if (error)
				wrong.push(`${o.operationId}, ${words}: ${error}`);
		}
	for (const path of ['lists/block', 'flags/trial']) {
		const method = path.startsWith('lists') ? 'POST' : 'PUT', body = '{"reason": "a", "ttl": "1h", "reason": "b"}';
		const answer = await ask(method, `/${d.version}/${path}`, {body, headers: {'If-Match': '*'}});

		if (answer.status !== 400)
			wrong.push(`${path}, a member twice: ${answer.status}`);
	}
	for (const o of d.operations.filter(x => x.requestBody)) {
		const answer = await ask(o.method, pathOf(o, d.version, ids), {body: 'x'.repeat((8 << 20) + 1)});
		const error = answer.status === 413 ? d.judge(o, answer) : `${answer.status} instead of 413`;

		if (error)
			wrong.push(`${o.operationId}, 8 MiB and one: ${error}`);
		if (o.requestBody.content['application/json']) {
			const bad = await ask(o.method, pathOf(o, d.version, ids), {headers: headersOf(o), body: '{"'});

			if (bad.status !== 400 || d.judge(o, bad))
				wrong.push(`${o.operationId}, no JSON: ${bad.status} ${d.judge(o, bad)}`);
		}
	}
	return wrong;
}

// What no example asks for: 304, 428, a dry run, fields, and requests that are sent again.
async function beside(d) {
	const of = id => d.operations.find(o => o.operationId === id), wrong = [];
	const expect = (o, words, answer, status, good = () => true) => {
		const error = answer.status !== status ? `${answer.status} instead of ${status}: ${answer.text.slice(0, 200)}`
			: d.judge(o, answer) || (good(answer) ? null : `something else: ${answer.text.slice(0, 200)}`);

		if (error)
			wrong.push(`${o.operationId}, ${words}: ${error}`);
	};

	// An empty list has no members that there are not.
	const noSuchField = async (o, path) => {
		const answer = await ask('GET', `${path}${path.includes('?') ? '&' : '?'}fields=not-there`);

		if (answer.status !== 200 || !JSON.stringify(JSON.parse(answer.text)).includes('[]'))
			expect(o, 'a member that there is not', answer, answer.status === 404 ? 404 : 400);
	};

	await prepare();
	for (const o of d.operations) {
		const path = pathOf(o, d.version, ids, false);

		if (o.parameters.some(p => p.name === 'If-None-Match')) {
			const {etag} = (await ask('GET', path)).headers;

			expect(o, 'what is known', await ask('GET', path, {headers: {'If-None-Match': etag}}), 304, a => a.headers.etag === etag);
		}
		if (d.version !== 'v1' && o.parameters.some(p => p.name === 'If-Match'))
			expect(o, 'no If-Match', await ask(o.method, path, {body: Object.values(bodiesOf(o))[0]}), 428);
		if (o.parameters.some(p => p.name === 'fields'))
			await noSuchField(o, path);
	}
	const add = of('addListEntry'), path = `/${d.version}/lists/block`, body = JSON.stringify({cidr: '198.51.100.9'});
	const headers = {'Idempotency-Key': `again-${d.version}`};

	expect(add, 'a dry run', await ask('POST', `${path}?dry_run=true`, {body}), 200, a => JSON.parse(a.text).dry_run);
	expect(add, 'a word for a dry run', await ask('POST', `${path}?dry_run=perhaps`, {body}), 400);
	expect(add, 'once', await ask('POST', path, {headers, body}), 201, a => !a.headers['idempotency-replayed']);
	expect(add, 'again', await ask('POST', path, {headers, body}), 201, a => a.headers['idempotency-replayed'] === 'true');
	expect(add, 'another under its key', await ask('POST', path, {headers, body: JSON.stringify({cidr: '198.51.100.10'})}), 422);
	await ask('DELETE', `/v1/lists/block/198.51.100.9`);
	const fields = await ask('GET', `${path}?fields=cidr`);

	if (!JSON.parse(fields.text).items?.every(i => Object.keys(i).join() === 'cidr'))
		wrong.push(`fields: ${fields.text.slice(0, 200)}`);
	const key = await ask('POST', `/${d.version}/keys`, {body: JSON.stringify({name: 'beside', role: 'viewer'})});
	const shown = {headers: {Authorization: `Bearer ${JSON.parse(key.text).key}`}};

	expect(of('createKey'), 'a key', key, 201, a => a.headers['x-weir-idempotency'] === 'unkept');
	expect(of('listRoles'), 'with a key', await ask('GET', `/${d.version}/roles`, shown), 200, a => JSON.parse(a.text).you.credential === JSON.parse(key.text).id);
	expect(of('addListEntry'), 'what the key is not for', await ask('POST', path, {...shown, body}), 403, a => JSON.parse(a.text).code === 'auth.scope');
	const {secret} = JSON.parse((await ask('POST', '/v1/totp', {body: '{"algorithm": "sha1"}'})).text);

	expect(of('clearPanic'), 'no password of who is enrolled', await ask('DELETE', `/${d.version}/panic`), 401, a => JSON.parse(a.text).code === 'auth.step_up');
	expect(of('removeTotp'), 'with it', await ask('DELETE', `/${d.version}/totp`, {headers: {'X-Weir-TOTP': password(secret)}}), 200);
	expect(of('streamEvents'), 'as events', await ask('GET', `/${d.version}/events?since_index=0`, {stream: true, headers: {Accept: 'text/event-stream'}}), 200);
	return wrong;
}

const beats = heartbeats(descriptions); /* which take 15 seconds */

for (const d of descriptions) {
	tap(`${d.version}: the description has every route, with its parameters and permission, and no other`, routesAndFile(d));
	tap(`${d.version}: every example can be executed, and is answered as described`, await executeExamples(d));
	tap(`${d.version}: each role gets what is permitted and 403 otherwise, and every answer is as described`, await asRoles(d));
	tap(`${d.version}: refusals that all share are as described`, await refusals(d));
	tap(`${d.version}: what no example asks for is as described`, await beside(d));
}
tap('a version that is none is refused in the path, too', (await ask('GET', '/v99/status')).status === 404 ? [] : ['it is not']);
tap('a method that a path does not take is 405, and says which do', [await ask('PATCH', '/v1/panic')].flatMap(a =>
	a.status === 405 && a.headers.allow === 'GET, PUT, DELETE' ? [] : [`${a.status} ${a.headers.allow}`]));
tap('who fails to authenticate too often is locked out, in each version, and nobody else is', await lockout(descriptions));
tap('a slow reader is told exactly which records it missed, and can have them', await slowReader(descriptions[0]));
tap('a stream that nothing comes on has heartbeats', await beats);
writeFileSync(process.argv[2], JSON.stringify(denied));
end();
