// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Has TypeScript hold the dashboards to Grafana's own types (@grafana/schema): the dashboard, its panels, and by kind of panel
// its options and what it adds to fields. The JSON is written into a program as literals, because only of those does TypeScript
// refuse members that the types do not have. Prints TAP.
//
//	NODE_PATH=.../node_modules node tests/dashboards/types.js DIRECTORY
//
// What it makes is left in DIRECTORY, below the node_modules that have the packages.

'use strict';
const { spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const lib = require('./lib');

const [directory] = process.argv.slice(2);

// The module of a panel's types, and the names there: options; what fields have besides, if anything.
const KINDS = {
	stat: ['stat/panelcfg/x/StatPanelCfg_types.gen', 'Options', null],
	timeseries: ['timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen', 'Options', 'FieldConfig'],
	bargauge: ['bargauge/panelcfg/x/BarGaugePanelCfg_types.gen', 'Options', null],
	table: ['table/panelcfg/x/TablePanelCfg_types.gen', 'Options', 'FieldConfig'],
	text: ['text/panelcfg/x/TextPanelCfg_types.gen', 'Options', null],
};

// JSON has words where the types have enums.
const HEAD = `
import type { Dashboard } from '@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen';
${Object.entries(KINDS).map(([kind, [module]]) =>
		`import type * as ${kind} from '@grafana/schema/dist/esm/raw/composable/${module}';`).join('\n')}

type Json<T> = T extends string ? \`\${T}\` : T extends number | boolean | null | undefined ? T :
	T extends (infer U)[] ? Json<U>[] : T extends object ? { [K in keyof T]: Json<T[K]> } : T;

// What Grafana's schema of annotations leaves to data sources: Prometheus' own members, and what its variables have.
type OfPrometheus = { expr: string; step: string; titleFormat: string; textFormat: string; tagKeys: string; useValueForTime: boolean };
type Annotation = NonNullable<NonNullable<Dashboard['annotations']>['list']>[number];
type Variable = NonNullable<NonNullable<Dashboard['templating']>['list']>[number];
type Ours = Omit<Json<Dashboard>, 'annotations' | 'templating'> & {
	annotations: { list: (Json<Omit<Annotation, 'target'>> & OfPrometheus & { target: { expr: string; refId: string; interval: string } })[] };
	templating: { list: (Json<Omit<Variable, 'current'>> & { definition?: string; current: object })[] };
};
`;

function program() {
	const lines = [HEAD];

	for (const { dashboard } of lib.dashboards()) {
		const name = dashboard.uid.replace('-', '_');

		lines.push(`export const ${name}: Ours = ${JSON.stringify(dashboard, null, 1)};`);
		for (const panel of lib.panels(dashboard)) {
			const [, options, custom] = KINDS[panel.type];

			lines.push(`// ${dashboard.uid}: ${panel.title}`);
			lines.push(`export const ${name}_${panel.id}: Json<${panel.type}.${options}> = ${JSON.stringify(panel.options)};`);
			if (custom)
				lines.push(`export const ${name}_${panel.id}_fields: Json<${panel.type}.${custom}> = ${
					JSON.stringify(panel.fieldConfig.defaults.custom)};`);
		}
	}
	return lines.join('\n');
}

// What TypeScript has to say, each finding with the line that it is about.
function compile(words, text) {
	const file = path.join(directory, 'dashboards.ts');

	fs.mkdirSync(directory, { recursive: true });
	fs.writeFileSync(file, text);
	const tsc = spawnSync('node', [require.resolve('typescript/lib/tsc.js'), '--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022',
		'--module', 'commonjs', '--moduleResolution', 'node10', file], { encoding: 'utf8', cwd: directory });
	const found = tsc.stdout.split('\n').filter(Boolean);

	return tsc.status === 0 ? [] : found.length ? found : [words];
}

lib.check('dashboards, panels, options and fields are of Grafana\'s own types', compile('tsc failed', program()));
lib.check('a member that Grafana does not have is found',
	compile('', program().replaceAll('"graphMode"', '"graphModus"')).some(line => line.includes('graphModus')) ? [] : ['it is not']);
lib.finish();
