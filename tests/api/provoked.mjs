// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What is answered only once somebody has provoked it, as it is described: being locked out; and on streams of events the
// number of records that a slow reader missed, and that there were none for a while. Whom that is done to is a user of its own.

import {ask, open} from './lib.mjs';

const FAILURES = 5, LAG = 4096, AT_ONCE = 8;
const of = (d, id) => d.operations.find(o => o.operationId === id);

// A key that there is not, as often as it takes; whoever is locked out may ask what anybody may and nothing else.
export async function lockout(descriptions) {
	const role = 'viewer@65533', wrong = [];
	const headers = {Authorization: `Bearer weir_00000000_${'0'.repeat(64)}`};
	const expect = (d, id, words, answer, status, code) => {
		const found = answer.status >= 400 ? JSON.parse(answer.text).code : undefined;
		const error = answer.status !== status || found !== code ? `${answer.status} ${found}` : d.judge(of(d, id), answer);

		if (error)
			wrong.push(`${d.version} ${id}, ${words}: ${error}`);
	};

	expect(descriptions[0], 'listLimits', 'before', await ask('GET', '/v1/limits', {role}), 200);
	for (let i = 0; i < FAILURES; i++)
		expect(descriptions[0], 'listLimits', `failure ${i + 1}`, await ask('GET', '/v1/limits', {role, headers}), 401, 'auth.key');
	for (const d of descriptions) {
		for (const [words, options] of Object.entries({'with a key': {role, headers}, 'without': {role}})) {
			const answer = await ask('GET', `/${d.version}/limits`, options), wait = +answer.headers['retry-after'];

			expect(d, 'listLimits', words, answer, 429, 'auth.locked');
			if (!(wait > 0 && wait <= 60))
				wrong.push(`${d.version}, ${words}: Retry-After ${answer.headers['retry-after']}`);
		}
		expect(d, 'addListEntry', 'a change', await ask('POST', `/${d.version}/lists/block`, {role, body: '{}'}), 429, 'auth.locked');
		expect(d, 'getStatus', 'what anybody may', await ask('GET', `/${d.version}/status`, {role}), 200);
	}
	expect(descriptions[0], 'listLimits', 'somebody else', await ask('GET', '/v1/limits', {role: 'viewer'}), 200);
	return wrong;
}

const records = messages => messages.filter(m => !m.type);

// Requests to change something that cannot be done: each is a record at once.
async function makeRecords(count) {
	let left = count;

	await Promise.all(Array.from({length: AT_ONCE}, async () => {
		while (left-- > 0)
			await ask('POST', '/v1/lists/block', {body: '{}'});
	}));
}

// Whether @messages, records and what was lost between them, leave no record out, from the first to the last.
function gap(messages) {
	let next = null;

	for (const m of messages) {
		const [first, behind] = m.type === 'lost' ? [m.from_index, m.next_index] : m.type ? [m.next_index, m.next_index] : [m.index, m.index + 1];

		if (next !== null && first !== next)
			return `${first} comes after ${next - 1}`;
		if (m.type === 'lost' && m.count !== behind - first)
			return `count ${m.count} of ${first} to ${behind - 1}`;
		next = behind;
	}
	return null;
}

// One that had all, reads nothing while so many records come, and then goes on.
export async function slowReader(d) {
	const path = `/${d.version}/events`, wrong = [];
	const stream = await open(path);

	await makeRecords(1);
	await stream.until(all => all.length > 0);
	stream.pause();
	for (let lost = false, tries = 0; !lost && tries < 4; tries++) {
		await makeRecords(LAG + 2048);
		stream.resume();
		await makeRecords(1); /* there is something behind what was lost */
		lost = await stream.until(all => all.some(m => m.type === 'lost' && all.at(-1) !== m), 3000);
		stream.pause();
	}
	const lost = stream.messages.filter(m => m.type === 'lost');

	wrong.push(lost.length ? gap(stream.messages) : `nothing was lost, and ${stream.messages.length} messages were sent`);
	wrong.push(d.judge(of(d, 'streamEvents'), {...stream.answer, text: stream.text}));
	stream.close();
	if (!lost.length)
		return wrong;
	wrong.push(lost[0].why === 'slow' ? null : `why: ${lost[0].why}`);
	const again = await open(`${path}?since_index=${lost[0].from_index}`);

	await again.until(all => all.at(-1)?.index >= lost[0].next_index - 1);
	const missed = records(again.messages).filter(m => m.index < lost[0].next_index);

	again.close();
	if (missed.length !== lost[0].count)
		wrong.push(`${lost[0].count} were lost, but ${missed.length} are there`);
	console.log(`# ${d.version}: ${records(stream.messages).length} records were sent, ${lost[0].count} were not`);
	return wrong;
}

// Nothing that they ask for comes, for as long as it takes: a heartbeat, as a line in one version and as an event in the other.
export async function heartbeats([one, other]) {
	const path = '/events?type=panic.*&actor=absent', role = 'auditor@65531';
	const [lines, events] = await Promise.all([open(`/${one.version}${path}`, {role}),
		open(`/${other.version}${path}`, {role, headers: {Accept: 'text/event-stream'}})]);

	await Promise.all([lines.until(all => all.length > 0), events.until(() => events.text.includes('\n\n'))]);
	const wrong = [one.judge(of(one, 'streamEvents'), {...lines.answer, text: lines.text}),
		lines.messages[0]?.type === 'heartbeat' ? null : `no heartbeat: ${lines.text}`,
		/^: heartbeat\nid: \d+\n\n/.test(events.text) ? null : `no heartbeat: ${events.text}`];

	lines.close();
	events.close();
	return wrong;
}
