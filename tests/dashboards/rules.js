// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The rules that dashboards keep. Names that end in -rule are those of Grafana's dashboard-linter, which is in Go and asks the
// same; the others are ours. Each rule: what it asks, find(dashboard) -> problems, and spoil(dashboard), which breaks it:
// lint.js makes sure that each finds that.

'use strict';
const lib = require('./lib');
const { selectors, variables } = require('./promql');

const METRICS = lib.metrics();
const TYPES = ['stat', 'timeseries', 'bargauge', 'table', 'text']; // graph, singlestat and the like are gone from Grafana
const UNITS = ['none', 'short', 'percentunit', 'pps', 'bps', 'bytes', 's', 'ops', 'cps', 'reqps', 'dateTimeFromNow'];
const BUILTIN = /^__/;
const DATASOURCES = ['$datasource', '${datasource}'];

const variable = (d, name) => d.templating.list.find(each => each.name === name);
const queried = d => d.templating.list.filter(each => each.type === 'query');
const targets = d => lib.expressions(d).filter(each => each.target);
const withPanels = d => lib.panels(d).filter(panel => panel.type !== 'text');
const first = d => withPanels(d)[0];
const eachSelector = (d, problem) => lib.expressions(d).flatMap(({ words, expr }) =>
	selectors(expr).map(problem).filter(Boolean).map(text => `${words}: ${text}`));

function template(name) {
	return d => {
		const v = variable(d, name);

		if (!v)
			return [`no variable ${name}`];
		return [
			v.type !== 'query' && 'is no query', !v.multi && 'cannot be several', v.allValue !== '.+' && 'allValue is not .+',
			!DATASOURCES.includes(v.datasource?.uid) && 'asks another data source',
			v.label !== name[0].toUpperCase() + name.slice(1) && 'has another label',
		].filter(Boolean).map(text => `${name} ${text}`);
	};
}

function matcher(label) {
	return d => eachSelector(d, s => s.labels[label] !== `=~"$${label}"` && `${s.name} has no ${label}=~"$${label}"`);
}

function overlaps(d) {
	const taken = new Map(), problems = [];

	for (const { title, gridPos: { x, y, w, h } } of d.panels) {
		if (x + w > 24)
			problems.push(`${title} is cut off`);
		for (let i = x; i < x + w; i++) {
			for (let j = y; j < y + h; j++) {
				if (taken.has(`${i} ${j}`))
					problems.push(`${title} lies on ${taken.get(`${i} ${j}`)}`);
				taken.set(`${i} ${j}`, title);
			}
		}
	}
	return [...new Set(problems)];
}

function units(d) {
	return withPanels(d).flatMap(panel => {
		const all = [panel.fieldConfig.defaults.unit, ...panel.fieldConfig.overrides.flatMap(each =>
			each.properties.filter(({ id }) => id === 'unit').map(({ value }) => value))];

		return all.filter(unit => !UNITS.includes(unit)).map(unit => `${panel.title}: ${unit}`);
	});
}

function rates(d) {
	return eachSelector(d, s => {
		const type = METRICS.get(s.name)?.type;
		const around = s.inside.at(-1);

		if ((type === 'COUNTER' || type === 'BUCKET') && !['rate', 'irate', 'increase'].includes(around))
			return `${s.name} counts, and is not in rate or increase`;
		return type !== 'COUNTER' && type !== 'BUCKET' && ['rate', 'irate', 'increase'].includes(around) &&
			`${s.name} does not count`;
	});
}

function unused(d) {
	const text = JSON.stringify({ ...d, templating: queried(d).map(each => each.query), v: d.templating.list.map(v => v.datasource) });
	const named = new Set(variables(text));
	const there = d.templating.list.map(each => each.name);

	return [
		...[...named].filter(name => !there.includes(name) && !BUILTIN.test(name)).map(name => `there is no variable ${name}`),
		...there.filter(name => !named.has(name)).map(name => `nobody uses the variable ${name}`),
	];
}

function incomplete(panel) {
	const custom = panel.fieldConfig.defaults.custom ?? {};
	const columns = panel.transformations?.flatMap(({ options }) => Object.values(options.renameByName ?? {})) ?? [];

	return [
		!panel.fieldConfig.defaults.thresholds?.steps?.length && 'no thresholds',
		panel.fieldConfig.defaults.thresholds?.steps?.[0]?.value !== null && 'thresholds have no base',
		panel.type === 'timeseries' && panel.targets.some(t => !t.legendFormat) && 'a series without a name',
		panel.type === 'timeseries' && custom.spanNulls !== false && 'lines over gaps',
		panel.targets.some(t => Boolean(t.instant) === Boolean(t.range)) && 'neither now nor over time',
		new Set(columns).size !== columns.length && 'two columns of one name',
		new Set(panel.targets.map(t => t.refId)).size !== panel.targets.length && 'two queries of one name',
	].filter(Boolean).map(text => `${panel.title}: ${text}`);
}

module.exports = [
	{
		name: 'template-datasource-rule', asks: 'the data source is a variable',
		find: d => variable(d, 'datasource')?.type === 'datasource' && variable(d, 'datasource').query === 'prometheus' &&
			variable(d, 'datasource').label === 'Data source' ? [] : ['no variable datasource'],
		spoil: d => { variable(d, 'datasource').query = 'loki'; },
	}, {
		name: 'template-job-rule', asks: 'job is a variable of several values', find: template('job'),
		spoil: d => { variable(d, 'job').allValue = '.*'; },
	}, {
		name: 'template-instance-rule', asks: 'so is instance', find: template('instance'),
		spoil: d => { variable(d, 'instance').multi = false; },
	}, {
		name: 'template-label-promql-rule', asks: 'variables are values of a label of a metric that has it',
		find: d => queried(d).flatMap(({ name, query: { query } }) => {
			const [, expr, label] = query.match(/^label_values\((.*), (\w+)\)$/) ?? [];
			const metric = expr && METRICS.get(selectors(expr)[0]?.name);

			return metric && ['job', 'instance', ...metric.labels].includes(label) ? [] : [`${name}: ${query}`];
		}),
		spoil: d => { variable(d, 'job').query.query = 'label_values(weir_build_info, limit)'; },
	}, {
		name: 'template-on-time-change-reload-rule', asks: 'variables are asked for again when the time changes',
		find: d => queried(d).filter(({ refresh }) => refresh !== 2).map(({ name }) => name),
		spoil: d => { variable(d, 'job').refresh = 1; },
	}, {
		name: 'panel-datasource-rule', asks: 'panels, queries and annotations ask that data source',
		find: d => [...withPanels(d), ...targets(d).map(each => each.target), ...d.annotations.list].filter(each =>
			!DATASOURCES.includes(each.datasource?.uid)).map(each => each.title ?? each.expr),
		spoil: d => { first(d).targets[0].datasource = { type: 'prometheus', uid: 'P1809F7CD0C75ACF3' }; },
	}, {
		name: 'panel-title-description-rule', asks: 'panels have a title and a description',
		find: d => lib.panels(d).filter(p => !p.title || !(p.description?.length > 10)).map(p => p.title ?? `panel ${p.id}`),
		spoil: d => { first(d).description = ''; },
	}, {
		name: 'panel-units-rule', asks: 'panels have a unit that Grafana knows', find: units,
		spoil: d => { first(d).fieldConfig.defaults.unit = 'packets'; },
	}, {
		name: 'panel-no-targets-rule', asks: 'panels ask for something',
		find: d => withPanels(d).filter(p => !p.targets?.length || p.targets.some(t => !t.expr)).map(p => p.title),
		spoil: d => { first(d).targets = []; },
	}, {
		name: 'target-rate-interval-rule', asks: 'ranges follow the width of the panel',
		find: d => eachSelector(d, s => s.range && s.range !== '$__rate_interval' && `${s.name}[${s.range}]`),
		spoil: d => { const t = first(d).targets[0]; t.expr = `rate(weir_packets_total{job=~"$job", instance=~"$instance"}[5m])`; },
	}, {
		name: 'target-job-rule', asks: 'each selector keeps to the variable job', find: matcher('job'),
		spoil: d => { const t = first(d).targets[0]; t.expr = t.expr.replace('job=~"$job", ', ''); },
	}, {
		name: 'target-instance-rule', asks: 'and to the variable instance', find: matcher('instance'),
		spoil: d => { const t = first(d).targets[0]; t.expr += ' + weir_mode{job=~"$job"}'; },
	}, {
		name: 'target-counter-agg-rule', asks: 'what counts is in rate or increase, and nothing else is', find: rates,
		spoil: d => { first(d).targets[0].expr = 'sum(weir_packets_total{job=~"$job", instance=~"$instance"})'; },
	}, {
		name: 'target-histogram-rule', asks: 'buckets are in histogram_quantile',
		find: d => eachSelector(d, s => METRICS.get(s.name)?.type === 'BUCKET' && !s.inside.includes('histogram_quantile') && s.name),
		spoil: d => {
			first(d).targets[0].expr =
				'rate(weir_api_request_duration_seconds_bucket{job=~"$job", instance=~"$instance"}[$__rate_interval])';
		},
	}, {
		name: 'uneditable-dashboard', asks: 'nobody edits what the next installation overwrites',
		find: d => d.editable === false ? [] : ['editable'],
		spoil: d => { d.editable = true; },
	}, {
		name: 'metrics', asks: 'metrics and the labels that are matched exist in user/metrics/families.def',
		find: d => eachSelector(d, s => {
			const metric = METRICS.get(s.name);
			const strange = metric && Object.keys(s.labels).find(l => !['job', 'instance', ...metric.labels].includes(l));

			return !metric ? `there is no ${s.name}` : strange && `${s.name} has no label ${strange}`;
		}),
		spoil: d => { first(d).targets[0].expr = 'weir_packets{job=~"$job", instance=~"$instance"}'; },
	}, {
		name: 'types', asks: 'panels are of types that Grafana 11 has',
		find: d => lib.panels(d).filter(p => !TYPES.includes(p.type)).map(p => `${p.title}: ${p.type}`),
		spoil: d => { first(d).type = 'graph'; },
	}, {
		name: 'identity', asks: 'the uid is stable, the id is left to Grafana, the schema is that of Grafana 11',
		find: d => [!/^weir-[a-z]+$/.test(d.uid) && 'uid', 'id' in d && 'id', d.schemaVersion !== 39 && 'schemaVersion',
			!d.tags.includes('weir') && 'tags', !d.description && 'description',
			new Set(d.panels.map(p => p.id)).size !== d.panels.length && 'ids of panels'].filter(Boolean),
		spoil: d => { d.id = 7; },
	}, {
		name: 'layout', asks: 'no panel lies on another or beyond the edge', find: overlaps,
		spoil: d => { d.panels[2].gridPos = d.panels[1].gridPos; },
	}, {
		name: 'variables', asks: 'variables that are named are there, and those that are there are used', find: unused,
		spoil: d => { d.templating.list.push({ ...variable(d, 'job'), name: 'nothing' }); },
	}, {
		name: 'panels', asks: 'series have names, thresholds a base, gaps stay gaps', find: d => withPanels(d).flatMap(incomplete),
		spoil: d => { d.panels.find(p => p.type === 'timeseries').targets[0].legendFormat = ''; },
	}, {
		name: 'links', asks: 'each dashboard leads to the others, with its time and variables',
		find: d => d.links.some(l => l.type === 'dashboards' && l.tags.includes('weir') && l.keepTime && l.includeVars) ? [] : ['none'],
		spoil: d => { d.links[0].keepTime = false; },
	}, {
		name: 'annotations', asks: 'policy applies and attacks are marked',
		find: d => ['Policy applied', 'Attack'].filter(name => !d.annotations.list.some(a => a.name === name && a.enable && a.expr)),
		spoil: d => { d.annotations.list.shift(); },
	},
];
