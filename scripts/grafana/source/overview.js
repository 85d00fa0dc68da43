// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Is everything protected and healthy, and what passes? The first one to open.

'use strict';
const { DROPPED, bars, dashboard, lines, meanings, now, on, over, rate, row, stat, sum, table, text } = require('./panel');

const packets = sum('', rate('weir_packets_total'));
const dropped = sum('', rate('weir_packets_total', DROPPED));
const ALARM = [[null, 'green'], [1, 'red']];
const SHARE = [[null, 'green'], [0.1, 'yellow'], [0.5, 'red']]; // WeirDropsMost
const FULL = [[null, 'green'], [0.7, 'yellow'], [0.9, 'red']]; // WeirStateNearlyFull

const alerts = 'ALERTS{alertname=~"Weir.*", alertstate="firing", job=~"$job", instance=~"$instance"}';

const WHERE = `
**weir-attack**: what is dropped, from where, since when. **weir-rules**: each limit, each tenant. **weir-internals**: what weir
itself costs and loses. The menu *weir* above opens them, with the time and the variables of this page.

On the host:

\`\`\`
weir status              # all of this, in words
weir doctor              # what is wrong, and the command that mends it
weir explain ADDRESS     # what becomes of packets from there, stage by stage
weir audit tail          # what happened, and who did it
\`\`\`
`;

module.exports = dashboard('weir-overview', 'weir / Overview', 'Is everything protected, is all well, and what passes?', {},
	row('Now',
		stat('Not protected', 'Interfaces that have no program of weir attached. Every packet passes there.',
			over(`sum(1 - ${on('weir_link_attached')})`, 'interfaces'), { steps: ALARM, w: 3 }),
		stat('Alerts', 'Alerts of scripts/prometheus that are firing.',
			over(`count(${alerts}) or vector(0)`, 'alerts'), { steps: ALARM, w: 3 }),
		stat('Mode', 'What packets are judged by: enforce drops, monitor only counts what it would drop, off does nothing. The number '
			+ 'is how many hosts are in it.',
			over(`sum by (mode) (${on('weir_mode')}) > 0`, '{{mode}}'), { text: 'value_and_name', w: 3 }),
		stat('Audit log', 'Whether what happens is recorded. Packets are judged in either case.',
			over(`max(${on('weir_audit_degraded')})`, 'degraded'),
			{ mappings: meanings({ 0: ['written', 'green'], 1: ['not written', 'red'] }), w: 3 }),
		stat('Packets', 'Packets seen, on all interfaces.', over(packets, 'packets'), { unit: 'pps', spark: true }),
		stat('Traffic', 'Bits of those packets, link layer included.',
			over(`8 * ${sum('', rate('weir_bytes_total'))}`, 'bits'), { unit: 'bps', spark: true }),
		stat('Dropped', 'The share of packets that were dropped or answered instead of passed on. WeirDropsMost fires above a half.',
			over(`${dropped} / (${packets} > 0)`, 'dropped'), { unit: 'percentunit', steps: SHARE, noValue: 'no packets' })),
	row('Traffic',
		lines('Packets by verdict', 'What became of packets. would_drop: passed, as the mode or the limit is one that only counts.',
			over(sum('verdict', rate('weir_packets_total')), '{{verdict}}'), { unit: 'pps', stack: true, coloured: true }),
		lines('Bits by verdict', 'The same in bits, link layer included.',
			over(`8 * ${sum('verdict', rate('weir_bytes_total'))}`, '{{verdict}}'), { unit: 'bps', stack: true, coloured: true }),
		lines('Drops by reason', 'Why packets were dropped, or would be in enforce. What the reasons mean: weir drops.',
			over(`${sum('reason', rate('weir_packets_total', 'verdict=~"drop|reply|would_drop"'))} > 0`, '{{reason}}'), { unit: 'pps' }),
		lines('Packets by host', 'All packets, host by host.',
			over(sum('instance', rate('weir_packets_total')), '{{instance}}'), { unit: 'pps' })),
	row('Hosts',
		table('Hosts', 'A daemon each. Generation counts policies that took effect; unconfirmed ones are undone by themselves.',
			{ instance: 'Host' }, [
				['Interfaces', on('weir_link_attached'), { unit: 'none' }],
				['Packets/s', rate('weir_packets_total'), { unit: 'pps' }],
				['Dropped/s', rate('weir_packets_total', DROPPED), { unit: 'pps' }],
				['Generation', on('weir_policy_generation'), { unit: 'none' }],
				['Policy since', `1000 * ${on('weir_policy_loaded_time_seconds')}`, { unit: 'dateTimeFromNow' }],
				['Unconfirmed', on('weir_policy_pending'),
					{ mappings: meanings({ 0: ['no', 'text'], 1: ['yes', 'yellow'] }), 'custom.cellOptions': { type: 'color-text' } }],
				['Daemon since', `1000 * ${on('weir_start_time_seconds')}`, { unit: 'dateTimeFromNow' }],
				['Sources, full', on('weir_cells_busy_ratio'),
					{ unit: 'percentunit', thresholds: { mode: 'absolute', steps: FULL.map(([value, color]) => ({ value, color })) },
						'custom.cellOptions': { type: 'color-text' } }],
			], { w: 24, h: 6 }),
		table('What is attached', 'The interfaces, and whether they are protected in the driver (native) or behind it, at several times '
			+ 'the cost (generic).', { instance: 'Host', iface: 'Interface', mode: 'Attached' },
			[['', `${on('weir_attached')} == 1`]], { w: 8, h: 6 }),
		table('Policy and version', 'Which policy is in force where: equal hashes are equal policies.',
			{ instance: 'Host', hash: 'Policy', mode: 'Says' },
			[['', on('weir_policy_info')]], { w: 8, h: 6 }),
		table('weir', 'Which weir runs where.', { instance: 'Host', version: 'Version' },
			[['', on('weir_build_info')]], { w: 8, h: 6 }),
		table('Alerts that fire', 'Each has a runbook, in scripts/prometheus/README.md.',
			{ severity: 'Severity', alertname: 'Alert', instance: 'Host', iface: 'Interface', limit: 'Limit', tenant: 'Tenant' },
			[['', alerts]], { w: 12, h: 8, noValue: 'none', of: 'max' }),
		text('Where to go on', 'The other dashboards, and commands.', WHERE)),
	row('Lists and state',
		bars('List entries', 'Entries of the allow and the block list, those of feeds included.',
			now(sum('list, kind', on('weir_list_entries')), '{{list}}: {{kind}}'), { w: 8 }),
		lines('Room for sources', 'The share of cells for limits\' state that are in use. Beyond 90 % newcomers begin to share.',
			over(on('weir_cells_busy_ratio'), '{{instance}}'), { unit: 'percentunit', max: 1, steps: FULL, w: 8 }),
		lines('Not protected', 'How long interfaces were there without protection, in seconds per second.',
			over(rate('weir_link_gap_seconds_total'), '{{instance}} {{iface}}'), { unit: 'percentunit', max: 1, w: 8 })));
