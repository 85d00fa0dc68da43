// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Holds lines of OCSF to a JSON Schema; exits 1 with what is wrong.
//
//	NODE_PATH=.../node_modules node ocsf.js SCHEMA.json EVENTS.ndjson

'use strict';
const fs = require('fs');
const Ajv = require('ajv/dist/2020');
const addFormats = require('ajv-formats');

const [schema, file] = process.argv.slice(2);
const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allErrors: true });
addFormats(ajv);
const validate = ajv.compile(JSON.parse(fs.readFileSync(schema, 'utf8')));
const lines = fs.readFileSync(file, 'utf8').trim().split('\n');

for (const line of lines)
	if (!validate(JSON.parse(line))) {
		console.log(line, JSON.stringify(validate.errors.slice(0, 3)));
		process.exit(1);
	}
console.log(`${lines.length} events`);
process.exit(lines.length > 0 ? 0 : 1);
