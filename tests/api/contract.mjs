// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The contract: the description has what the daemon routes and nothing else; every example of it can be executed; every
// operation, asked for as each role in each version, is answered as it is described, and refused to whom it is not for.
// Writes what was refused to the file that is the argument, as {"role operation": number}. Ends nothing.

import {writeFileSync} from 'node:fs';
import {Description, ask, askPatiently, bodiesOf, end, headersOf, pathOf, tap} from './lib.mjs';

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

		if (names !== o.parameters.filter(p => p.in === 'path').map(p => p.name).sort().join())
			wrong.push(`${o.method} ${o.path}: its parameters are others`);
	}
	return wrong;
}

// Things that examples are about have to be there, and their ids are made when they are.
const ids = {};

async function prepare() {
	const made = async (path, body) => JSON.parse((await askPatiently('POST', path, {body: JSON.stringify(body)})).text).id;

	ids.hold = await made('/v1/governance/holds', {category: 'lists', reason: 'an example'});
	ids.request = await made('/v1/governance/requests', {kind: 'access', subject: '198.51.100.7'});
	await ask('POST', '/v1/lists/block', {body: JSON.stringify({cidr: '198.51.100.7'})});
	await ask('PUT', '/v1/flags/trial', {body: JSON.stringify({enabled: true})});
}

// What takes away comes last, so that all examples find what they are about. The end of enforcement is not among them.
const order = o => -(o.operationId === 'makeSubjectRequest') + (o.method === 'DELETE') + (o.operationId === 'putPolicy') * 2 + (o.operationId === 'confirmPolicy') * 3 + (o.operationId === 'rollbackPolicy') * 4;
const calm = d => d.operations.filter(o => o.operationId !== 'detach').sort((a, b) => order(a) - order(b));
// These answer otherwise while there is nothing for them to do, which is described, too.
const IDLE = {confirmPolicy: [409], getRiskSource: [404], recordAuditAnchor: [409, 422], acknowledgeAuditCheckpoint: [404, 409, 422],
	rotateVaultKey: [409], applyRetentionPolicies: [409], rollbackPolicy: [409], rotateAuditKey: [409]};

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
			let answer = await askPatiently(o.method, path, {headers: headersOf(o), body});
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
			const answer = await askPatiently(o.method, pathOf(o, d.version, ids), {role, headers: headersOf(o), body: Object.values(bodiesOf(o))[0]});
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
	];
	const wrong = [];

	for (const o of d.operations)
		for (const [words, status, options] of ways) {
			const path = pathOf(o, d.version, ids);
			const answer = await ask(o.method, status === 406 ? path.slice(3) : path, options);
			const error = answer.status === status ? d.judge(o, answer) : `${answer.status} instead of ${status}`;

			if (error)
				wrong.push(`${o.operationId}, ${words}: ${error}`);
		}
	for (const path of ['lists/block', 'flags/trial']) {
		const method = path.startsWith('lists') ? 'POST' : 'PUT', body = '{"reason": "a", "ttl": "1h", "reason": "b"}';
		const answer = await ask(method, `/${d.version}/${path}`, {body});

		if (answer.status !== 400)
			wrong.push(`${path}, a member twice: ${answer.status}`);
	}
	for (const o of d.operations.filter(x => x.requestBody)) {
		const answer = await ask(o.method, pathOf(o, d.version, ids), {body: 'x'.repeat((8 << 20) + 1)});
		const error = answer.status === 413 ? d.judge(o, answer) : `${answer.status} instead of 413`;

		if (error)
			wrong.push(`${o.operationId}, 8 MiB and one: ${error}`);
		if (o.requestBody.content['application/json']) {
			const bad = await ask(o.method, pathOf(o, d.version, ids), {body: '{"'});

			if (bad.status !== 400 || d.judge(o, bad))
				wrong.push(`${o.operationId}, no JSON: ${bad.status} ${d.judge(o, bad)}`);
		}
	}
	return wrong;
}

for (const d of descriptions) {
	tap(`${d.version}: the description has every route, with its parameters and permission, and no other`, routesAndFile(d));
	tap(`${d.version}: every example can be executed, and is answered as described`, await executeExamples(d));
	tap(`${d.version}: each role gets what is permitted and 403 otherwise, and every answer is as described`, await asRoles(d));
	tap(`${d.version}: refusals that all share are as described`, await refusals(d));
}
tap('a version that is none is refused in the path, too', (await ask('GET', '/v99/status')).status === 404 ? [] : ['it is not']);
tap('a method that a path does not take is 405, and says which do', [await ask('PATCH', '/v1/panic')].flatMap(a =>
	a.status === 405 && a.headers.allow === 'GET, PUT, DELETE' ? [] : [`${a.status} ${a.headers.allow}`]));
writeFileSync(process.argv[2], JSON.stringify(denied));
end();
