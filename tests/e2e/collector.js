// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A collector of syslog over TCP (RFC 6587, octet counting) or UDP that knows nothing of weir: it appends the index that
// each message names in its structured data to a file, a line each. What does not parse ends it.
//
//	node collector.js tcp|udp PORT FILE

'use strict';
const fs = require('fs');
const net = require('net');
const dgram = require('dgram');

const [how, port, file] = process.argv.slice(2);
const MESSAGE = /^<(\d{1,3})>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z [!-~]+ weir - [!-~]{1,32} \[weir@32473 index="(\d+)"(?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")*\]\[meta sequenceId="\d+"\] (.*)$/;

function take(message) {
	const m = MESSAGE.exec(message);

	if (!m || +m[1] >> 3 !== 13 || JSON.parse(m[3]).index !== +m[2]) {
		fs.appendFileSync(file, `bad ${message}\n`);
		process.exit(1);
	}
	fs.appendFileSync(file, `${m[2]}\n`);
}

function onStream(socket) {
	let rest = Buffer.alloc(0);

	socket.on('error', () => {});
	socket.on('data', data => {
		rest = Buffer.concat([rest, data]);
		for (;;) {
			const blank = rest.indexOf(' ');
			const length = +rest.subarray(0, blank).toString();

			if (blank < 0 || rest.length < blank + 1 + length)
				return;
			take(rest.subarray(blank + 1, blank + 1 + length).toString());
			rest = rest.subarray(blank + 1 + length);
		}
	});
}

if (how === 'tcp')
	net.createServer(onStream).listen(+port, '127.0.0.1');
else
	dgram.createSocket('udp4').on('message', m => take(m.toString())).bind(+port, '127.0.0.1');
