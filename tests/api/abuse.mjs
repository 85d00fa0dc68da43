// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Clients that only want to be in the way, who are nobody: whoever else asks for the status, root and a viewer, is answered
// before they have ended. How long that took is printed. With names of abuses as arguments: only these, and nobody else asks.

import net from 'node:net';
import {SOCKET, ask, end, tap} from './lib.mjs';

const NOBODY = 65534, MIB = 1 << 20;
const sleep = ms => new Promise(r => setTimeout(r, ms));

// A connection as nobody. What it gets is in .got; it never fails, it ends.
function connect() {
	process.setgroups([]);
	process.setegid(NOBODY);
	process.seteuid(NOBODY);
	try {
		const socket = net.connect(SOCKET);

		socket.got = '';
		socket.ended = new Promise(resolve => socket.on('close', resolve));
		socket.on('data', data => socket.got = (socket.got + data).slice(0, 65536));
		socket.on('error', e => socket.failed = e.code);
		return socket;
	} finally {
		process.seteuid(0);
		process.setegid(0);
		process.setgroups([0]);
	}
}

// Ask as root and as viewer, on new connections each time, for as long as @abuse goes on: all are answered.
async function meanwhile(words, abuse) {
	const times = [], wrong = [];
	let going = true;
	const rest = abuse().finally(() => going = false);

	while (going && wrong.length < 5) {
		const role = times.length % 2 ? 'viewer' : 'root';

		try {
			const answer = await ask('GET', role === 'root' ? '/v1/status' : '/v1/limits', {role, timeout: 5000, headers: {Connection: 'close'}});

			times.push(answer.ms);
			if (answer.status !== 200)
				wrong.push(`${role}: ${answer.status} ${answer.text.slice(0, 200)}`);
		} catch (e) {
			wrong.push(`${role}: ${e.message}`);
		}
		await sleep(2);
	}
	const found = await rest;

	times.sort((a, b) => a - b);
	console.log(`# ${words}: ${times.length} requests were answered meanwhile, half in ${times[times.length >> 1]?.toFixed(1)} ms, 99% in ${times[Math.floor(times.length * .99)]?.toFixed(1)} ms, all in ${times.at(-1)?.toFixed(1)} ms`);
	tap(`${words}: everybody else is answered`, [...wrong, ...(times.length > 3 ? [] : [`only ${times.length} requests were made`]), ...[found].flat()]);
}

// Headers that come a byte at a time.
async function slowloris() {
	const sockets = Array.from({length: 100}, connect);
	const text = 'GET /v1/status HTTP/1.1\r\nHost: weir\r\nX-Slow: ';

	for (let i = 0; i < 60; i++) {
		sockets.forEach(s => s.writable && s.write(i < text.length ? text[i] : 'x'));
		await sleep(50);
	}
	const held = sockets.filter(s => !s.closed && !s.failed && !s.got).length;

	sockets.forEach(s => s.destroy());
	console.log(`# of 100 connections ${held} were held`);
	return held > 8 ? [`${held} connections of one user`] : null;
}

async function idle() {
	const sockets = [];
	let held = 0;

	for (let i = 0; i < 10000; i++) {
		sockets.push(connect());
		if (i % 100 === 99)
			await sleep(5);
	}
	await sleep(500);
	held = sockets.filter(s => !s.closed && !s.failed && !s.got).length;
	const told = sockets.filter(s => s.got.includes('http.connections')).length;

	sockets.forEach(s => s.destroy());
	console.log(`# of 10000 connections ${held} were held, ${told} were told why not`);
	return told + held < 5000 ? [`only ${told} were told`] : held > 8 ? [`${held} connections of one user`] : null;
}

// A body of 1 GiB by four clients at once, and one that says how much it is and one that does not.
async function bodies() {
	const status = async (head, frame, last) => {
		const socket = connect(), piece = frame(Buffer.alloc(MIB, 'x'));

		socket.write(`PUT /v1/policy HTTP/1.1\r\nHost: weir\r\n${head}\r\n\r\n`);
		for (let i = 0; i < 1024 && !socket.closed; i++)
			if (!socket.write(piece))
				await Promise.race([new Promise(r => socket.once('drain', r)), socket.ended]);
		socket.write(last);
		await Promise.race([socket.ended, new Promise(r => socket.once('data', r)), sleep(20000)]);
		await sleep(10);
		socket.destroy();
		return socket.got.slice(9, 12);
	};
	const known = () => status(`Content-Length: ${1024 * MIB}`, b => b, '');
	const chunked = () => status('Transfer-Encoding: chunked', b => Buffer.concat([Buffer.from('100000\r\n'), b, Buffer.from('\r\n')]), '0\r\n\r\n');
	const got = await Promise.all([known(), chunked(), known(), chunked()]);

	return got.every(s => s === '413') ? null : [`answers: ${got}`];
}

// Each is a request that two programs may read in two ways. None may make two requests of it: a marker shows.
const SMUGGLING = {
	'Content-Length and Transfer-Encoding': 'POST /v1/policy/plan HTTP/1.1\r\nHost: weir\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: weir\r\nX-Request-ID: smuggled\r\n\r\n',
	'two Content-Lengths': 'POST /v1/policy/plan HTTP/1.1\r\nHost: weir\r\nContent-Length: 0\r\nContent-Length: 72\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: weir\r\nX-Request-ID: smuggled\r\n\r\n',
	'a Content-Length that is none': 'POST /v1/policy/plan HTTP/1.1\r\nHost: weir\r\nContent-Length: +0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: weir\r\nX-Request-ID: smuggled\r\n\r\n',
	'a line that ends with LF alone': 'GET /v1/status HTTP/1.1\nHost: weir\nContent-Length: 64\n\nGET /smuggled HTTP/1.1\r\nHost: weir\r\nX-Request-ID: smuggled\r\n\r\n',
	'a folded header': 'POST /v1/policy/plan HTTP/1.1\r\nHost: weir\r\nX-A: b\r\n Content-Length: 0\r\nContent-Length: 64\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: weir\r\nX-Request-ID: smuggled\r\n\r\n',
	'a blank before the colon': 'POST /v1/policy/plan HTTP/1.1\r\nHost: weir\r\nContent-Length : 64\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: weir\r\nX-Request-ID: smuggled\r\n\r\n',
	'another Transfer-Encoding': 'POST /v1/policy/plan HTTP/1.1\r\nHost: weir\r\nTransfer-Encoding: xchunked\r\nContent-Length: 64\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: weir\r\nX-Request-ID: smuggled\r\n\r\n',
	'no Host': 'GET /v1/status HTTP/1.1\r\n\r\n',
	'a NUL in a header': 'GET /v1/status HTTP/1.1\r\nHost: weir\r\nX-A: a\0b\r\n\r\n',
};

async function smuggling() {
	const wrong = [];

	for (const [words, text] of Object.entries(SMUGGLING)) {
		const socket = connect();

		socket.write(text);
		await Promise.race([socket.ended, sleep(300)]);
		socket.destroy();
		const statuses = [...socket.got.matchAll(/HTTP\/1\.1 (\d+)/g)].map(m => m[1]);

		console.log(`# ${words}: ${statuses.join(', ') || 'closed'}`);
		if (/^x-request-id: smuggled/mi.test(socket.got))
			wrong.push(`${words}: two requests were made of it: ${statuses}`);
		await socket.ended;
	}
	return wrong;
}

// Who asks for all records goes away in their midst.
async function dying() {
	for (let i = 0; i < 100; i++) {
		const socket = net.connect(SOCKET);

		socket.on('error', () => {});
		socket.write('GET /v1/audit/export HTTP/1.1\r\nHost: weir\r\n\r\n');
		await Promise.race([new Promise(r => socket.once('data', r)), sleep(500)]);
		socket.destroy();
		const half = net.connect(SOCKET);

		half.on('error', () => {});
		half.write('PUT /v1/policy HTTP/1.1\r\nHost: weir\r\nContent-Length: 1000\r\n\r\nhalf of it');
		await sleep(1);
		half.destroy();
	}
	return null;
}

const ABUSES = {
	slowloris: ['100 connections that send a byte at a time', slowloris],
	idle: ['10,000 idle connections', idle],
	bodies: ['four bodies of 1 GiB', bodies],
	smuggling: ['requests that can be read in two ways', smuggling],
	dying: ['clients that die in mid-stream', dying],
};

if (process.argv.length > 2) {
	for (const name of process.argv.slice(2))
		await ABUSES[name][1]();
	process.exit(0);
}
for (const [words, abuse] of Object.values(ABUSES))
	await meanwhile(words, abuse);
end();
