// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// While something comes in that should not: what, from where, since when, and what is done about it.

'use strict';
const { DROPPED, box, dashboard, lines, meanings, on, over, override, rate, row, stat, sum, table, text } = require('./panel');

const dropped = sum('', rate('weir_packets_total', DROPPED));

// The time since drops were last below what is called an attack; at most what the dashboard shows. 0: there is none.
const since = `clamp_max(time() - max_over_time((time() * (${dropped} <= bool $attack))[$__range:]), $__range_s) `
	+ `and ${dropped} > $attack`;

const ALARM = [[null, 'green'], [1, 'red']];

// A click on a network puts it into the variable, and that into the commands.
const HERE = '/d/weir-attack?${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${instance:queryparam}'
	+ '&var-attack=${attack}&var-address=';

const COMMANDS = `
Type an address or a network into *Address* above, or click on a network in the table.

\`\`\`
weir trace src \${address} --count 20  # its packets one by one: who, what, why
weir audit search --address \${address}  # what is recorded of it
weir risk list  # who made themselves suspicious
weir block \${address} --ttl 1h --reason 'see dashboard'
weir panic monitor  # drop nothing, if this is weir's mistake
\`\`\`

Of one address, not of a network:

\`\`\`
weir explain \${address}  # what becomes of it, stage by stage
weir source \${address}  # what is known of it, and the command that undoes it
\`\`\`
`;

module.exports = dashboard('weir-attack', 'weir / Attack', 'What comes in that should not, from where, since when, and what is done about it.', {
	variables: [box('address', 'Address', 'For the commands on this page. Nothing is asked of weir.', '198.51.100.7')],
},
	row('What, since when',
		stat('Dropped', 'Packets per second that are dropped or answered.', over(dropped, 'dropped'), { unit: 'pps', spark: true }),
		stat('Dropped', 'Bits per second of those.', over(`8 * ${sum('', rate('weir_bytes_total', DROPPED))}`, 'dropped'),
			{ unit: 'bps', spark: true }),
		stat('For', 'How long more has been dropped than the variable Attack says; at most what is shown.',
			over(since, 'for'), { unit: 's', noValue: 'no attack', steps: [[null, 'red']] }),
		stat('Mostly', 'The reason of most drops.',
			over(`topk(1, ${sum('reason', rate('weir_packets_total', DROPPED))} > 0)`, '{{reason}}'),
			{ unit: 'pps', text: 'value_and_name', noValue: 'nothing' }),
		stat('By limit', 'The limit that drops most.',
			over(`topk(1, ${sum('limit', rate('weir_limit_packets_total', 'result=~"dropped|replied"'))} > 0)`, '{{limit}}'),
			{ unit: 'pps', text: 'value_and_name', noValue: 'none' }),
		stat('Suspicious sources', 'Sources that made themselves high or critical: weir risk list.',
			over(`sum(${on('weir_risk_sources', 'level=~"high|critical"')})`, 'sources'), { steps: ALARM }),
		lines('Drops by reason', 'Why. Malformed packets have reasons of their own.',
			over(`${sum('reason', rate('weir_packets_total', DROPPED))} > 0`, '{{reason}}'), { unit: 'pps', stack: true }),
		lines('Drops by limit', 'Which limits refused, dropping or answering.',
			over(`${sum('limit', rate('weir_limit_packets_total', 'result=~"dropped|replied"'))} > 0`, '{{limit}}'),
			{ unit: 'pps', stack: true }),
		lines('Share of packets dropped', 'The alert WeirDropsMost fires above a half.',
			over(`${sum('instance', rate('weir_packets_total', DROPPED))} / (${sum('instance', rate('weir_packets_total'))} > 0)`,
				'{{instance}}'), { unit: 'percentunit', max: 1, steps: [[null, 'green'], [0.5, 'red']] }),
		lines('Size of dropped packets', 'The mean. Small ones are meant for CPUs, large ones for lines.',
			over(`${sum('', rate('weir_bytes_total', DROPPED))} / (${dropped} > 0)`, 'bytes per packet'), { unit: 'bytes' })),
	row('From where',
		table('Networks that send most', 'Estimated from a sample of the last minute. Empty unless the policy has metrics.top_sources. '
			+ 'A click puts the network into the commands.', { network: 'Network', instance: 'Host' },
			[['Packets/s', on('weir_top_source_packets_per_second'), { unit: 'pps' }]], {
				w: 10, h: 10, sortBy: 'Packets/s', noValue: 'metrics.top_sources is not set',
				overrides: [override('Network', { links: [
					{ title: 'Put it into the commands', url: `${HERE}\${__value.raw}`, targetBlank: false }] })],
			}),
		text('Look closer', 'Commands for the address that the variable names.', COMMANDS, { w: 14, h: 10 }),
		lines('Networks that send most', 'As above, over time. A network that comes and goes has gaps.',
			over(on('weir_top_source_packets_per_second'), '{{network}}'), { unit: 'pps', stack: true }),
		lines('Sources by risk', 'What sources made of themselves, of at most 8,192.',
			over(sum('level', on('weir_risk_sources')), '{{level}}'), { stack: true, coloured: true })),
	row('What is done',
		lines('Packets by verdict', 'pass, and what was done to the others.',
			over(sum('verdict', rate('weir_packets_total')), '{{verdict}}'), { unit: 'pps', stack: true, coloured: true }),
		lines('List hits', 'Packets that a list decided: of allowed and of blocked sources.',
			over(sum('reason', rate('weir_packets_total', 'reason=~"allowed|blocked"')), '{{reason}}'), { unit: 'pps' }),
		lines('List entries', 'A step is a block, a feed that was read, or an entry that expired.',
			over(sum('list, kind', on('weir_list_entries')), '{{list}}: {{kind}}')),
		lines('Adaptive limits', 'What their rate is multiplied by. Below 1: they are closing.',
			over(on('weir_adaptive_factor'), '{{instance}} {{limit}}'), { unit: 'percentunit', max: 1 }),
		lines('Answered instead of passed', 'SYN cookies, resets and ICMP errors that weir sent.',
			over(sum('reason', rate('weir_packets_total', 'verdict="reply"')), '{{reason}}'),
			{ unit: 'pps' }),
		lines('Newcomers without room', 'Packets charged to a cell that several sources share, or to none: a flood of made-up sources.',
			[over(sum('', rate('weir_limit_coarse_total')), 'shared'), over(sum('', rate('weir_limit_full_total')), 'no cell')],
			{ unit: 'pps' })),
	row('Is it weir itself?',
		stat('Panic switch', 'Set by an operator: limits and lists do not hold.',
			over(`sum(${on('weir_panic_mode', 'mode!="none"')})`, 'panic'),
			{ mappings: meanings({ 0: ['not set', 'green'], 1: ['set', 'red'] }), w: 6 }),
		stat('Watchdog', 'Took the mode back to monitor because limits refused nearly everything.',
			over(`max(${on('weir_watchdog_tripped')})`, 'tripped'),
			{ mappings: meanings({ 0: ['not tripped', 'green'], 1: ['tripped', 'red'] }), w: 6 }),
		stat('Policy', 'Whether one waits to be confirmed. What drops too much since a change of policy is a limit: weir policy rollback.',
			over(`max(${on('weir_policy_pending')})`, 'pending'),
			{ mappings: meanings({ 0: ['confirmed', 'green'], 1: ['unconfirmed', 'yellow'] }), w: 6 }),
		stat('Undone in', 'When the policy that waits to be confirmed is undone; 0 if none waits.',
			over(`max(${on('weir_policy_pending_seconds')})`, 'seconds'), { unit: 's', w: 6 }),
		lines('Refused by limits, as the watchdog sees it', 'The share of packets. Beyond safety.watchdog.drop_ratio it trips.',
			over(on('weir_watchdog_drop_ratio'), '{{instance}}'), { unit: 'percentunit', max: 1 }),
		lines('Policy generation', 'A step is a policy that took effect.',
			over(on('weir_policy_generation'), '{{instance}}'))));
