// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Draws window.DASHBOARD with Grafana's own components, from what Prometheus said (render.js puts both into the page). What Grafana
// does around them is done here in the plainest way: a grid, frames out of answers, and the defaults and overrides of fields.

import {
	applyFieldOverrides, createTheme, dateTime, FieldType, getDisplayProcessor, getFieldDisplayValues, renderMarkdown, standardFieldConfigEditorRegistry,
	standardTransformers, standardTransformersRegistry, ThemeContext, toDataFrame, transformDataFrame,
} from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, PanelChrome, Table, TimeSeries } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { lastValueFrom } from 'rxjs';

const COLUMN = 1600 / 24, LINE = 38, GAP = 8;
const theme = createTheme({ colors: { mode: 'dark' } });
const { dashboard, answers, from, to } = window.DASHBOARD;
const range = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };

// What of a field may be configured: Grafana registers this with its editors.
const property = (path, isCustom) => ({
	id: isCustom ? `custom.${path}` : path, path, name: path, isCustom, editor: () => null, override: () => null, settings: {},
	process: value => value, shouldApply: () => true,
});

standardFieldConfigEditorRegistry.setInit(() => [
	...['unit', 'min', 'max', 'decimals', 'thresholds', 'mappings', 'color', 'noValue', 'links', 'displayName'].map(path => property(path)),
	...['drawStyle', 'fillOpacity', 'lineWidth', 'lineInterpolation', 'showPoints', 'spanNulls', 'stacking', 'thresholdsStyle', 'align',
		'cellOptions', 'inspect', 'minWidth'].map(path => property(path, true)),
]);
standardTransformersRegistry.setInit(() => [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map(
	transformer => ({ id: transformer.id, name: transformer.name, transformation: () => Promise.resolve(transformer), editor: () => null })));

// Prometheus' NaN is a gap, as it is in Grafana.
const number = value => value === null || Number.isNaN(Number(value)) ? null : Number(value);

function seriesFrame({ refId, name, metric, values }) {
	return toDataFrame({
		refId, name, fields: [
			{ name: 'Time', type: FieldType.time, values: values.map(([time]) => time * 1000), config: {} },
			{ name: 'Value', type: FieldType.number, values: values.map(([, value]) => number(value)), labels: metric, config: { displayNameFromDS: name } },
		],
	});
}

function tableFrame(refId, found, only) {
	const labels = [...new Set(found.flatMap(({ metric }) => Object.keys(metric)))];

	return toDataFrame({
		refId, fields: [
			{ name: 'Time', type: FieldType.time, values: found.map(({ values }) => values[0][0] * 1000), config: {} },
			...labels.map(label => ({ name: label, type: FieldType.string, values: found.map(({ metric }) => metric[label] ?? ''), config: {} })),
			{ name: only ? 'Value' : `Value #${refId}`, type: FieldType.number, values: found.map(({ values }) => number(values[0][1])), config: {} },
		],
	});
}

async function frames(panel) {
	const found = answers[panel.id];
	let raw = panel.type === 'table'
		? panel.targets.map(({ refId }) => tableFrame(refId, found.filter(s => s.refId === refId), panel.targets.length === 1))
		: found.map(seriesFrame);

	if (panel.transformations)
		raw = await lastValueFrom(transformDataFrame(panel.transformations, raw));
	return applyFieldOverrides({
		data: raw, fieldConfig: panel.fieldConfig, fieldConfigRegistry: standardFieldConfigEditorRegistry, replaceVariables: text => text,
		theme, timeZone: 'utc',
	});
}

function figures(panel, data) {
	return getFieldDisplayValues({
		fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, replaceVariables: text => text, theme, data,
		sparkline: panel.options.graphMode === 'area', timeZone: 'utc',
	});
}

function Stat({ panel, data, width, height }) {
	const all = figures(panel, data);

	return <div style={{ display: 'flex', width, height }}>{all.map((each, i) =>
		<BigValue key={i} value={each.display} sparkline={each.sparkline} theme={theme} width={width / all.length} height={height}
			colorMode={panel.options.colorMode} graphMode={panel.options.graphMode} justifyMode={panel.options.justifyMode}
			textMode={panel.options.textMode} count={all.length} />)}</div>;
}

function Bars({ panel, data, width, height }) {
	const all = figures(panel, data);

	return <div>{all.map((each, i) =>
		<BarGauge key={i} value={each.display} field={each.field} display={getDisplayProcessor({ field: { type: FieldType.number, config: each.field }, theme })}
			orientation="horizontal" displayMode={panel.options.displayMode} theme={theme} width={width} showUnfilled
			height={Math.min(28, height / all.length)} valueDisplayMode="text" />)}</div>;
}

function Content({ panel, data, width, height }) {
	switch (panel.type) {
	case 'text':
		return <div className="markdown" dangerouslySetInnerHTML={{ __html: renderMarkdown(panel.options.content) }} />;
	case 'stat':
		return <Stat {...{ panel, data, width, height }} />;
	case 'bargauge':
		return <Bars {...{ panel, data, width, height }} />;
	case 'table':
		return <Table data={data[0]} width={width} height={height} timeRange={range} fieldConfig={panel.fieldConfig} />;
	default:
		return <TimeSeries frames={data} structureRev={1} timeRange={range} timeZone="utc" width={width} height={height} legend={panel.options.legend}
			options={panel.options} />;
	}
}

function place({ x, y, w, h }) {
	return { position: 'absolute', left: x * COLUMN, top: y * LINE, width: w * COLUMN - GAP, height: h * LINE - GAP };
}

function Panel({ panel, data }) {
	const { width, height, ...where } = place(panel.gridPos);
	const none = panel.type !== 'text' && !data.some(frame => frame.length);

	return <div style={where}><PanelChrome title={panel.title} description={panel.description} width={width} height={height}>
		{(inner, tall) => none
			? <div className="none">{panel.fieldConfig.defaults.noValue ?? 'No data'}</div>
			: <Content panel={panel} data={data} width={inner} height={tall} />}
	</PanelChrome></div>;
}

async function draw() {
	const panels = await Promise.all(dashboard.panels.map(async panel =>
		({ panel, data: ['row', 'text'].includes(panel.type) ? [] : await frames(panel) })));

	createRoot(document.getElementById('page')).render(<ThemeContext.Provider value={theme}>
		<GlobalStyles />
		<h1>{dashboard.title}</h1>
		<div style={{ position: 'relative' }}>{panels.map(({ panel, data }) => panel.type === 'row'
			? <h2 key={panel.id} style={place(panel.gridPos)}>{panel.title}</h2>
			: <Panel key={panel.id} panel={panel} data={data} />)}</div>
	</ThemeContext.Provider>);
}

draw().catch(error => {
	document.getElementById('page').textContent = error.stack;
});
