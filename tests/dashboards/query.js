// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Asks a Prometheus everything that the dashboards ask, with the variables as Grafana would put them in: each expression must be one,
// each panel must have data, and each series what its name is made of. Needs a daemon under traffic that Prometheus scrapes every second,
// with something of everything: tests/e2e/93-dashboards.sh. Prints TAP.
//
//	node tests/dashboards/query.js http://127.0.0.1:9490

'use strict';
const lib = require('./lib');

const LAST_S = 60; // of what pictures show

// As Grafana fills them in, with points every second.
const VALUES = {
	job: '.+', instance: '.+', limit: '.+', tenant: '.+', attack: '100', __rate_interval: '5s', __interval: '1s', __range: `${LAST_S}s`,
	__range_s: `${LAST_S}`, address: '198.18.4.0/24',
};

// What has no data where all is well, and why.
const EMPTY = {
	'weir-overview: Alerts that fire (A)': 'nothing is wrong',
};

// What has to be more than 0, or nothing would be on the page that the others are to be seen against.
const EVENTS = ['weir-overview: annotation Policy applied', 'weir-overview: annotation Attack', 'weir-attack: For (A)'];

const fill = text => text.replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, name, braced) => VALUES[name ?? braced] ?? whole);

async function ask(prometheus, path, parameters) {
	const response = await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
	const { status, error, data } = await response.json();

	if (status !== 'success')
		throw new Error(error);
	return data;
}

// What a query of a dashboard has of a time, in seconds since 1970: series, each with its labels and values.
async function series(prometheus, { expr, target }, from, to) {
	const query = fill(expr);

	if (target?.instant)
		return (await ask(prometheus, 'query', { query, time: to })).result.map(s => ({ metric: s.metric, values: [s.value] }));
	return (await ask(prometheus, 'query_range', { query, start: from, end: to, step: 1 })).result;
}

// {{label}} in a name is nothing if the series has no such label.
function nameless(legend, found) {
	return [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(m => m[1]).filter(label => found.some(s => !(label in s.metric)));
}

async function problems(prometheus, uid, each) {
	const name = `${uid}: ${each.words}`;
	const now = Date.now() / 1000;

	try {
		const found = await series(prometheus, each, now - 30, now);
		const missing = nameless(each.legend, found);

		if (!found.length && !EMPTY[name])
			return [`${name} has no data: ${fill(each.expr)}`];
		if (found.length && EMPTY[name])
			return [`${name} has data, but ${EMPTY[name]}`];
		if (EVENTS.includes(name) && !found.some(s => s.values.some(([, value]) => Number(value) > 0)))
			return [`${name} is never more than 0: ${fill(each.expr)}`];
		return missing.map(label => `${name}: not all series have ${label}`);
	} catch (error) {
		return [`${name}: ${error.message}: ${fill(each.expr)}`];
	}
}

// label_values(SELECTOR, LABEL), as Grafana asks for it.
async function choices(prometheus, { name, query: { query } }) {
	const [, selector, label] = query.match(/^label_values\((.*), (\w+)\)$/);
	const values = await ask(prometheus, `label/${label}/values`, { 'match[]': fill(selector) });

	return values.length ? [] : [`${name} has no values: ${query}`];
}

async function main(prometheus) {
	for (const { dashboard } of lib.dashboards()) {
		const all = lib.expressions(dashboard);
		const found = await Promise.all(all.map(each => problems(prometheus, dashboard.uid, each)));
		const queries = dashboard.templating.list.filter(each => each.type === 'query');

		lib.check(`${dashboard.title}: all ${all.length} expressions have data`, found.flat());
		lib.check(`${dashboard.title}: variables have values`, (await Promise.all(queries.map(each => choices(prometheus, each)))).flat());
	}
	lib.finish();
}

if (require.main === module)
	main(process.argv[2]).catch(error => {
		console.log(`Bail out! ${error.message}`);
		process.exitCode = 1;
	});

module.exports = { LAST_S, fill, series };
