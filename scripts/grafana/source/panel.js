// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The words that dashboards are written in, and what all of them have in common: variables, annotations, links,
// and panels that lay themselves out. Each function returns a piece of Grafana's JSON; only dashboard() knows of places.

'use strict';

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
// Every selector has it: {${ON}} or {${ON}, verdict="drop"}.
const ON = 'job=~"$job", instance=~"$instance"';
const DROPPED = 'verdict=~"drop|reply"'; // an answered packet was dropped, too
const COLOURS = {
	pass: 'green', passed: 'green', drop: 'red', dropped: 'red', reply: 'orange', replied: 'orange',
	would_drop: 'yellow', mark: 'blue', marked: 'blue', low: 'green', medium: 'yellow', high: 'orange', critical: 'red',
};

// rate('weir_packets_total', 'verdict="drop"') of what the variables choose, and sums of it.
const on = (metric, more = '') => `${metric}{${ON}${more && ', ' + more}}`;
const rate = (metric, more) => `rate(${on(metric, more)}[$__rate_interval])`;
const sum = (by, what) => by ? `sum by (${by}) (${what})` : `sum(${what})`;
const quantile = (q, histogram, by, more) =>
	`histogram_quantile(${q}, ${sum(by ? `${by}, le` : 'le', rate(`${histogram}_bucket`, more))})`;

// A query over time, and one of this moment.
function over(expr, legend) {
	return { datasource: DATASOURCE, editorMode: 'code', expr, legendFormat: legend, range: true };
}

function now(expr, legend = '') {
	return { datasource: DATASOURCE, editorMode: 'code', expr, instant: true, legendFormat: legend };
}

// [[null, 'green'], [0.9, 'red']]: from 0.9 on it is red.
function thresholds(steps) {
	return { mode: 'absolute', steps: steps.map(([value, color]) => ({ color, value })) };
}

// What a number means: {0: ['ok', 'green'], 1: ['degraded', 'red']}.
function meanings(words) {
	const options = {};

	Object.entries(words).forEach(([value, [text, color]], index) => {
		options[value] = { text, color, index };
	});
	return [{ type: 'value', options }];
}

function override(name, properties) {
	return {
		matcher: { id: 'byName', options: name },
		properties: Object.entries(properties).map(([id, value]) => ({ id, value })),
	};
}

function panel(type, title, description, targets, o, options, custom) {
	const defaults = { unit: o.unit ?? 'none', thresholds: thresholds(o.steps ?? [[null, 'green']]) };

	for (const key of ['min', 'max', 'decimals', 'noValue', 'mappings', 'links', 'color'])
		if (o[key] !== undefined)
			defaults[key] = o[key];
	if (custom)
		defaults.custom = custom;
	return {
		type, title, description, datasource: DATASOURCE,
		gridPos: { w: o.w, h: o.h },
		...(o.interval && { interval: o.interval }),
		fieldConfig: { defaults, overrides: o.overrides ?? [] },
		options,
		targets: [targets].flat().map((target, i) => ({ ...target, refId: String.fromCharCode(65 + i) })),
		...(o.transformations && { transformations: o.transformations }),
	};
}

// One figure, of this moment unless its past is drawn. o: unit, steps, mappings, text (value, name, value_and_name), spark (draw its past), w, h.
function stat(title, description, target, o = {}) {
	const query = o.spark ? target : now(target.expr, target.legendFormat);

	return panel('stat', title, description, query, { w: 4, h: 4, color: { mode: 'thresholds' }, ...o }, {
		colorMode: o.steps || o.mappings ? 'background' : 'value',
		graphMode: o.spark ? 'area' : 'none', justifyMode: 'auto', orientation: 'auto', percentChangeColorMode: 'standard',
		reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
		showPercentChange: false, textMode: o.text ?? 'auto', wideLayout: true,
	});
}

// Lines over time. o: unit, steps (drawn as lines), stack, min, max, overrides, w, h.
function lines(title, description, targets, o = {}) {
	const overrides = Object.entries(COLOURS).map(([name, fixedColor]) =>
		override(name, { color: { mode: 'fixed', fixedColor } }));

	return panel('timeseries', title, description, targets, {
		w: 12, h: 8, min: 0, color: { mode: 'palette-classic' }, ...o,
		overrides: [...(o.coloured ? overrides : []), ...(o.overrides ?? [])],
	}, {
		legend: { calcs: ['lastNotNull', 'max'], displayMode: 'table', placement: 'bottom', showLegend: true, sortBy: 'Last *', sortDesc: true },
		tooltip: { hideZeros: true, mode: 'multi', sort: 'desc' },
	}, {
		drawStyle: 'line', fillOpacity: o.stack ? 40 : 10, lineWidth: 1, lineInterpolation: 'linear',
		showPoints: 'auto', spanNulls: false,
		stacking: { group: 'A', mode: o.stack ? 'normal' : 'none' },
		thresholdsStyle: { mode: o.steps ? 'line' : 'off' },
	});
}

// A bar for each series, as of now.
function bars(title, description, target, o = {}) {
	return panel('bargauge', title, description, target, { w: 12, h: 8, min: 0, color: { mode: 'thresholds' }, ...o }, {
		displayMode: 'basic', maxVizHeight: 24, minVizHeight: 12, minVizWidth: 8, namePlacement: 'left',
		legend: { calcs: [], displayMode: 'list', placement: 'bottom', showLegend: false },
		orientation: 'horizontal', reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
		showUnfilled: true, sizing: 'manual', valueMode: 'text',
	});
}

/*
 * A table of this moment. columns: a list of [title, expression, properties]; rows are joined by their common labels,
 * which must be keys. What is in keys comes first. A column without a title is not shown: what it has to say is its labels.
 */
function table(title, description, keys, columns, o = {}) {
	const names = {}, places = {}, hidden = { Time: true };
	const value = i => columns.length === 1 ? 'Value' : `Value #${String.fromCharCode(65 + i)}`;
	const by = Object.keys(keys).join(', ');

	Object.entries(keys).forEach(([key, words], i) => {
		names[key] = words;
		places[key] = i;
	});
	columns.forEach(([words], i) => {
		if (words)
			names[value(i)] = words;
		else
			hidden[value(i)] = true;
		places[value(i)] = Object.keys(keys).length + i;
	});
	return panel('table', title, description, columns.map(([, expr]) =>
		({ ...now(`${o.of ?? 'sum'} by (${by}) (${expr})`), format: 'table' })), {
		w: 24, h: 8, ...o,
		overrides: [...columns.filter(([words]) => words).map(([words, , properties]) => override(words, properties)), ...(o.overrides ?? [])],
		transformations: [
			{ id: 'merge', options: {} },
			{ id: 'organize', options: { excludeByName: hidden, indexByName: places, renameByName: names } },
		],
	}, {
		cellHeight: 'sm', footer: { countRows: false, reducer: ['sum'], show: false }, frameIndex: 0,
		showHeader: true, ...(o.sortBy && { sortBy: [{ displayName: o.sortBy, desc: true }] }),
	}, { align: 'auto', cellOptions: { type: 'auto' }, inspect: false, minWidth: 70 });
}

// Words, in Markdown.
function text(title, description, content, o = {}) {
	return {
		type: 'text', title, description, gridPos: { w: 12, h: 8, ...o },
		options: { code: { language: 'plaintext', showLineNumbers: false, showMiniMap: false }, content, mode: 'markdown' },
	};
}

// A heading, and the panels below it.
function row(title, ...panels) {
	return { title, panels };
}

// A variable of values that are there. All of them unless somebody chooses.
function choice(name, label, description, query) {
	return {
		type: 'query', name, label, description, datasource: DATASOURCE, definition: query,
		query: { query, refId: 'StandardVariableQuery' },
		includeAll: true, multi: true, allValue: '.+', current: { selected: true, text: ['All'], value: ['$__all'] },
		options: [], refresh: 2, regex: '', sort: 1, hide: 0, skipUrlSync: false,
	};
}

function box(name, label, description, value) {
	return {
		type: 'textbox', name, label, description, query: value, hide: 0, skipUrlSync: false,
		current: { selected: true, text: value, value }, options: [{ selected: true, text: value, value }],
	};
}

// Where something happened, on every panel. More than 0 is an event, and neighbours are one.
function annotation(name, iconColor, expr, title, words) {
	return {
		name, datasource: DATASOURCE, enable: true, hide: false, iconColor, expr, step: '60s',
		target: { expr, refId: 'Anno', interval: '60s' }, titleFormat: title, textFormat: words, tagKeys: 'instance',
		useValueForTime: false,
	};
}

const VARIABLES = [
	{
		type: 'datasource', name: 'datasource', label: 'Data source', description: 'The Prometheus that scrapes weir.',
		query: 'prometheus', regex: '', includeAll: false, multi: false, current: {}, options: [], refresh: 1, hide: 0,
		skipUrlSync: false,
	},
	choice('job', 'Job', 'The scrape job: weir, or node_exporter\'s where it hands weir\'s file on.',
		'label_values(weir_build_info, job)'),
	choice('instance', 'Instance', 'The daemons, one for each host as a rule.',
		'label_values(weir_build_info{job=~"$job"}, instance)'),
];

const ANNOTATIONS = [
	annotation('Policy applied', 'blue', `changes(${on('weir_policy_generation')}[$__rate_interval])`,
		'Policy applied', '{{instance}}: weir policy history'),
	annotation('Attack', 'red', `${sum('job, instance', rate('weir_packets_total', DROPPED))} > bool $attack`,
		'Attack', '{{instance}} drops more packets per second than the dashboard calls an attack'),
	annotation('Daemon started', 'purple', `changes(${on('weir_start_time_seconds')}[$__rate_interval])`,
		'Daemon started', '{{instance}}: journalctl -u weir'),
	annotation('Panic or watchdog', 'orange',
		`sum by (job, instance) (${on('weir_panic_mode', 'mode!="none"')}) + on (job, instance) ${on('weir_watchdog_tripped')}`,
		'Limits do not hold', '{{instance}}: weir panic; weir status'),
];

// From left to right and from top to bottom; a panel that does not fit begins a line, which is as high as its highest.
function layout(rows) {
	const panels = [];
	let y = 0, id = 0;

	for (const { title, panels: below } of rows) {
		let x = 0, height = 0;

		panels.push({ type: 'row', id: ++id, title, collapsed: false, gridPos: { x: 0, y: y++, w: 24, h: 1 }, panels: [] });
		for (const each of below) {
			if (x + each.gridPos.w > 24) {
				y += height;
				x = height = 0;
			}
			panels.push({ ...each, id: ++id, gridPos: { x, y, w: each.gridPos.w, h: each.gridPos.h } });
			x += each.gridPos.w;
			height = Math.max(height, each.gridPos.h);
		}
		y += height;
	}
	return panels;
}

// o: variables (besides the common ones), attack (dropped packets per second that are one, unless somebody says otherwise).
function dashboard(uid, title, description, o, ...rows) {
	return {
		uid, title, description, tags: ['weir'], schemaVersion: 39, version: 1, editable: false, graphTooltip: 1,
		fiscalYearStartMonth: 0, liveNow: false, preload: false, refresh: '30s', timezone: 'browser', weekStart: '',
		time: { from: 'now-1h', to: 'now' }, timepicker: {},
		annotations: { list: ANNOTATIONS },
		links: [{
			title: 'weir', type: 'dashboards', tags: ['weir'], asDropdown: false, icon: 'external link', includeVars: true,
			keepTime: true, targetBlank: false, tooltip: '', url: '',
		}],
		templating: {
			list: [...VARIABLES, ...(o.variables ?? []),
				box('attack', 'Attack, pkt/s', 'Dropped packets per second and host that are marked as an attack.', '1000')],
		},
		panels: layout(rows),
	};
}

module.exports = {
	DROPPED, bars, box, choice, dashboard, lines, meanings, now, on, over, override, quantile, rate, row, stat, sum,
	table, text,
};
