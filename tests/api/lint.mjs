// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Lints descriptions of the API with Redocly's rules, each file an argument. A finding is a line and the exit status 1.
//
//	NODE_PATH=build/npm/node_modules node tests/api/lint.mjs FILE...

import {createRequire} from 'node:module';
import {readFileSync} from 'node:fs';

const {lintFromString, createConfig} = createRequire(import.meta.url)('@redocly/openapi-core');

// A Unix socket tells who asks, so that nothing is sent for it; and weir is no server with a name.
const config = await createConfig({extends: ['recommended-strict'],
	rules: {'security-defined': 'off', 'operation-4xx-response': 'error', 'no-server-example.com': 'off',
		'operation-operationId-unique': 'error', 'no-invalid-media-type-examples': 'error', 'no-invalid-parameter-examples': 'error',
		'no-ambiguous-paths': 'off', 'path-params-defined': 'error', 'tags-alphabetical': 'off', 'info-license-url': 'off', 'info-license': 'off'}});
let bad = 0;

for (const file of process.argv.slice(2))
	for (const p of await lintFromString({source: readFileSync(file, 'utf8'), absoluteRef: file, config})) {
		bad++;
		console.log(`${file}: ${p.location?.[0]?.pointer ?? ''}: ${p.message} (${p.ruleId})`);
	}
process.exit(bad ? 1 : 0);
