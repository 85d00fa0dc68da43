// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Writes dashboards/*.json from source/*.js; with --check it writes nothing and exits 1 if a file is not as it would be.
//
//	node scripts/grafana/make.js [--check]

'use strict';
const fs = require('fs');
const path = require('path');

const check = process.argv[2] === '--check';

for (const name of ['overview', 'attack', 'rules', 'internals']) {
	const dashboard = require(`./source/${name}`);
	const file = path.join(__dirname, 'dashboards', `${dashboard.uid}.json`);
	const json = JSON.stringify(dashboard, null, 2) + '\n';

	if (!check) {
		fs.writeFileSync(file, json);
	} else if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== json) {
		console.error(`${file} is not what source/${name}.js makes: run node scripts/grafana/make.js`);
		process.exitCode = 1;
	}
}
