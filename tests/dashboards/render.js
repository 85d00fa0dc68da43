// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Draws the dashboards as PNGs, from what a Prometheus says now: viewer.jsx, bundled by esbuild, in headless Chromium. That there
// is something on them is tested; what it looks like is for eyes. Prints TAP.
//
//	NODE_PATH=.../node_modules node tests/dashboards/render.js http://127.0.0.1:9490 DIRECTORY

'use strict';
const { spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const esbuild = require('esbuild');
const lib = require('./lib');
const { LAST_S, fill, series } = require('./query');

const [prometheus, directory] = process.argv.slice(2);
const WIDTH = 1616, LINE = 38, HEAD = 60; // as viewer.jsx has them
const STYLE = `body { margin: 0 0 0 8px; background: #111217; color: #ccccdc; font: 14px Inter, Helvetica, Arial, sans-serif; }
h1 { font-size: 20px; margin: 12px 0; } h2 { font-size: 16px; margin: 8px 0 0; } .none { padding: 40px; text-align: center; font-size: 20px; }
.markdown pre { background: #22252b; padding: 8px; } .markdown { padding: 4px 8px; }
* { box-sizing: border-box; }`;

// A point for each second: where Prometheus has none there is a gap.
function grid(values, from, to) {
	const at = new Map(values.map(([time, value]) => [Math.round(time), value]));

	return Array.from({ length: to - from + 1 }, (_, i) => [from + i, at.get(from + i) ?? null]);
}

const name = (legend, metric) => legend.replace(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? '');

async function answer(panel, from, to) {
	const found = await Promise.all((panel.targets ?? []).map(async target =>
		(await series(prometheus, { expr: target.expr, target }, from, to)).map(({ metric, values }) => ({
			refId: target.refId, metric, name: name(target.legendFormat ?? '', metric), values: target.instant ? values : grid(values, from, to),
		}))));

	return found.flat();
}

// Grafana's ES modules take what some CommonJS modules export for a component, when esbuild bundles them; its CommonJS modules do not.
const COMMONJS = {
	name: 'commonjs',
	setup(build) {
		build.onResolve({ filter: /^@grafana\/(data|ui)/ }, ({ path: module, resolveDir, kind }) =>
			kind === 'require-call' ? undefined : build.resolve(module, { kind: 'require-call', resolveDir }));
	},
};

async function bundle() {
	const { outputFiles } = await esbuild.build({
		entryPoints: [path.join(__dirname, 'viewer.jsx')], bundle: true, write: false, jsx: 'automatic', minify: true, logLevel: 'error',
		define: { 'process.env.NODE_ENV': '"production"', global: 'window' }, nodePaths: [process.env.NODE_PATH], outdir: directory,
		plugins: [COMMONJS],
		loader: { '.ttf': 'dataurl', '.svg': 'dataurl', '.png': 'dataurl', '.woff2': 'dataurl', '.woff': 'dataurl' },
	});

	for (const { path: file, contents } of outputFiles)
		fs.writeFileSync(path.join(directory, path.basename(file)), contents);
}

// As tests/e2e/75-report.sh opens its page: a profile of its own, no network.
function picture(page, png, height) {
	const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-chromium-'));
	const { status, stderr } = spawnSync('chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--lang=en-US', '--hide-scrollbars',
		'--allow-file-access-from-files', '--virtual-time-budget=10000', `--user-data-dir=${profile}`, `--window-size=${WIDTH},${height}`,
		`--screenshot=${png}`, `file://${page}`], { encoding: 'utf8', timeout: 90000, env: { ...process.env, HOME: profile, LANG: 'en_US.UTF-8' } });

	fs.rmSync(profile, { recursive: true, force: true });
	return status === 0 && fs.existsSync(png) && fs.statSync(png).size > 100000 ? [] : [`${png}: ${stderr.slice(-500)}`];
}

async function draw(dashboard) {
	const to = Math.floor(Date.now() / 1000), from = to - LAST_S;
	const answers = {};
	const page = path.resolve(directory, `${dashboard.uid}.html`);
	const height = HEAD + LINE * Math.max(...dashboard.panels.map(({ gridPos: { y, h } }) => y + h));

	for (const panel of lib.panels(dashboard)) {
		answers[panel.id] = await answer(panel, from, to);
		if (panel.type === 'text')
			panel.options.content = fill(panel.options.content);
	}
	const data = JSON.stringify({ dashboard, answers, from: from * 1000, to: to * 1000 }).replaceAll('<', '\\u003c');

	fs.writeFileSync(page, `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="viewer.css"><style>${STYLE}</style><div id="page"></div>
<script>window.DASHBOARD = ${data};</script><script src="viewer.js"></script>\n`);
	return picture(page, path.resolve(directory, `${dashboard.uid}.png`), height);
}

async function main() {
	fs.mkdirSync(directory, { recursive: true });
	await bundle();
	for (const { dashboard } of lib.dashboards())
		lib.check(`${dashboard.title} is drawn: ${directory}/${dashboard.uid}.png`, await draw(dashboard));
	lib.finish();
}

main().catch(error => {
	console.log(`Bail out! ${error.stack}`);
	process.exitCode = 1;
});
