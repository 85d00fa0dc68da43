// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Holds the dashboards to rules.js, each rule to what it is for, and both to the metrics: none is asked for that does not exist,
// and none exists that no dashboard shows. Prints TAP; needs nothing but node.
//
//	node tests/dashboards/lint.js

'use strict';
const { execFileSync } = require('child_process');
const lib = require('./lib');
const rules = require('./rules');
const { selectors } = require('./promql');

const all = lib.dashboards();

function upToDate() {
	try {
		execFileSync('node', [`${lib.ROOT}/scripts/grafana/make.js`, '--check'], { stdio: ['ignore', 'pipe', 'pipe'] });
		return [];
	} catch (error) {
		return error.stderr.toString().split('\n').filter(Boolean);
	}
}

function notShown() {
	const shown = new Set();

	for (const { dashboard } of all)
		for (const { expr } of lib.expressions(dashboard))
			selectors(expr).forEach(({ name }) => shown.add(lib.metrics().get(name)?.family));
	return [...new Set([...lib.metrics().values()].map(each => each.family))].filter(name => name && !shown.has(name));
}

function sameName() {
	return all.filter(({ file, dashboard }) => file !== `${dashboard.uid}.json`).map(({ file }) => file);
}

// A rule that finds nothing in what was spoilt for it would find nothing in anything.
function blind(rule) {
	return all.flatMap(({ file, dashboard }) => {
		const spoilt = structuredClone(dashboard);

		rule.spoil(spoilt);
		return rule.find(spoilt).length ? [] : [`${rule.name} does not see it in ${file}`];
	});
}

lib.check('there are four dashboards, in files of their names', all.length === 4 ? sameName() : [`${all.length}`]);
lib.check('they are what their sources make', upToDate());
for (const rule of rules)
	lib.check(`${rule.name}: ${rule.asks}`,
		all.flatMap(({ file, dashboard }) => rule.find(dashboard).map(problem => `${file}: ${problem}`)));
lib.check('each metric that there is is on a dashboard', notShown());
lib.check('each rule finds what is spoilt', rules.flatMap(blind));
lib.finish();
