// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What the tests of dashboards have to know of an expression, without a parser: whether it is one is what Prometheus says
// (query.js). Expressions are without comments, and no string in them has a bracket.

'use strict';

// Where nothing but metrics are named: what follows is a word of the language, a function, or a list of labels.
const LISTS = /\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)/g;
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);

/** The selectors: {name, labels: {name: 'op"value"'}, range, inside: [functions and aggregations around it]}. */
function selectors(expr) {
	const found = [];
	const plain = expr.replace(LISTS, list => ' '.repeat(list.length));
	const inside = [];
	const token = /([a-zA-Z_:][\w:]*)|(\{[^}]*\})|(\[[^\]]*\])|("[^"]*")|(\$\w+)|([()])/g;
	let last = null, word = '', open = -1;

	for (let m; (m = token.exec(plain)); ) {
		if (m[1]) {
			word = m[1];
			open = token.lastIndex;
			if (/^\s*\(/.test(plain.slice(open)) || WORDS.has(word.toLowerCase()) || /^\d/.test(plain[m.index - 1] ?? ' '))
				continue;
			if (/^\s*(by|without)\b/.test(expr.slice(open))) // an aggregation with its labels before what it adds up
				continue;
			last = { name: word, labels: {}, range: '', inside: inside.filter(Boolean) };
			found.push(last);
		} else if (m[2] && last) {
			for (const [, label, op, value] of m[2].matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g))
				last.labels[label] = `${op}"${value}"`;
		} else if (m[3] && last) {
			if (plain[m.index - 1] !== ')')
				last.range = m[3].slice(1, -1);
		} else if (m[6] === '(') {
			inside.push(open >= 0 && /^\s*$/.test(plain.slice(open, m.index)) ? word : '');
			open = -1;
		} else if (m[6] === ')') {
			inside.pop();
		}
	}
	return found;
}

/** Variables that are named in a text, those of Grafana included: $name, ${name}, ${name:format}. */
function variables(text) {
	return [...text.matchAll(/\$(?:\{(\w+)[^}]*\}|(\w+))/g)].map(m => m[1] ?? m[2]);
}

module.exports = { selectors, variables };
