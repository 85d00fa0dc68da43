// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The dashboards, the metrics that there are, and TAP.

'use strict';
const fs = require('fs');
const path = require('path');

const ROOT = path.join(__dirname, '../..');
const DASHBOARDS = path.join(ROOT, 'scripts/grafana/dashboards');

let tests = 0, failures = 0;

/** One test: problems is a list of words, empty if all is well. */
function check(words, problems) {
	console.log(`${problems.length ? 'not ok' : 'ok'} ${++tests} - ${words}`);
	failures += problems.length > 0;
	problems.slice(0, 20).forEach(problem => console.log(`# ${problem}`));
}

function finish() {
	console.log(`1..${tests}`);
	process.exitCode = failures ? 1 : 0;
}

/** All of them: [{file, dashboard}]. */
function dashboards() {
	return fs.readdirSync(DASHBOARDS).filter(name => name.endsWith('.json')).sort().map(file =>
		({ file, dashboard: JSON.parse(fs.readFileSync(path.join(DASHBOARDS, file), 'utf8')) }));
}

/** Of families.def: name -> {type, labels}, and what histograms and counters are called in expressions. */
function metrics() {
	const text = fs.readFileSync(path.join(ROOT, 'user/metrics/families.def'), 'utf8');
	const found = new Map();

	for (const [, name, type, labels] of text.matchAll(/WEIR_M\(\w+,\s*"(\w+)",\s*(\w+),\s*"([^"]*)"/g)) {
		const each = { family: name, type, labels: labels.split(' ').filter(Boolean) };

		if (type === 'HISTOGRAM') {
			found.set(`${name}_bucket`, { ...each, type: 'BUCKET', labels: [...each.labels, 'le'] });
			found.set(`${name}_sum`, { ...each, type: 'COUNTER' });
			found.set(`${name}_count`, { ...each, type: 'COUNTER' });
		} else {
			found.set(name, each);
		}
	}
	// What Prometheus itself knows of alerts.
	found.set('ALERTS', { family: null, type: 'GAUGE', labels: ['alertname', 'alertstate', 'severity'] });
	return found;
}

/** The panels, without the rows that head them. */
const panels = dashboard => dashboard.panels.filter(panel => panel.type !== 'row');

/** Each expression: [{words, expr, legend, panel}], of panels and annotations. */
function expressions(dashboard) {
	return [
		...panels(dashboard).flatMap(panel => (panel.targets ?? []).map(target => ({
			words: `${panel.title} (${target.refId})`, expr: target.expr, legend: target.legendFormat ?? '', panel, target,
		}))),
		...dashboard.annotations.list.map(each =>
			({ words: `annotation ${each.name}`, expr: each.expr, legend: each.textFormat, annotation: each })),
	];
}

module.exports = { ROOT, check, dashboards, expressions, finish, metrics, panels };
