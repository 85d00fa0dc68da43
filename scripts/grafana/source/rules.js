// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What each limit and each tenant is allowed, uses and is refused, and what would change if a limit were enforced.

'use strict';
const { bars, choice, dashboard, lines, meanings, now, on, over, override, rate, row, stat, sum, table } = require('./panel');

const LIMIT = 'limit=~"$limit"';
const TENANT = 'tenant=~"$tenant"';
const NEARLY = [[null, 'green'], [0.8, 'yellow'], [0.9, 'red']]; // WeirLimitUsedUp, WeirQuotaNearlyUsed
const COLOURED = { type: 'color-text' };
const nearly = { mode: 'absolute', steps: NEARLY.map(([value, color]) => ({ value, color })) };

const packets = result => rate('weir_limit_packets_total', `${LIMIT}, result="${result}"`);
const lasting = expr => sum('limit, unit', expr);
const used = `${on('weir_tenant_quota_used', TENANT)} / ${on('weir_tenant_quota', TENANT)}`;

// Of limits with one budget for all: as the recording rule has it.
const use = `${sum('job, instance, limit, unit', rate('weir_limit_packets_total', `${LIMIT}, unit="packets", result=~"passed|marked"`))} `
	+ `/ on (job, instance, limit, unit) (${on('weir_limit_rate', LIMIT)} > 0) `
	+ `and on (job, instance, limit, unit) ${on('weir_limit_room', LIMIT)}`;

module.exports = dashboard('weir-rules', 'weir / Rules and tenants',
	'Each limit: passed, dropped, would drop, headroom. Each tenant: quotas. Flags, feeds and connections.', {
		variables: [
			choice('limit', 'Limit', 'Limits of the policies.', 'label_values(weir_limit_rate{job=~"$job", instance=~"$instance"}, limit)'),
			choice('tenant', 'Tenant', 'Tenants with quotas.',
				'label_values(weir_tenant_quota{job=~"$job", instance=~"$instance"}, tenant)'),
		],
	},
	row('Limits',
		table('Limits', 'Rate and burst are for one key, in units per second and units; room is what would pass at this moment, of limits '
			+ 'with one budget for all. A limit in the shadow drops nothing and counts what it would drop.',
			{ instance: 'Host', limit: 'Limit', unit: 'Unit' }, [
				['In force', on('weir_limit_in_force', LIMIT),
					{ mappings: meanings({ 0: ['no', 'text'], 1: ['yes', 'green'] }), 'custom.cellOptions': COLOURED }],
				['Shadow', on('weir_limit_shadow', LIMIT),
					{ mappings: meanings({ 0: ['no', 'text'], 1: ['yes', 'yellow'] }), 'custom.cellOptions': COLOURED }],
				['Rate', on('weir_limit_rate', LIMIT), { unit: 'short' }],
				['Burst', on('weir_limit_burst', LIMIT), { unit: 'short' }],
				['Room', on('weir_limit_room', LIMIT), { unit: 'short' }],
				['Passed/s', packets('passed'), { unit: 'pps' }],
				['Dropped/s', rate('weir_limit_packets_total', `${LIMIT}, result=~"dropped|replied"`), { unit: 'pps' }],
				['Would drop/s', packets('would_drop'), { unit: 'pps' }],
				['Marked/s', packets('marked'), { unit: 'pps' }],
				['No room', on('weir_state_exhausted', LIMIT), {
					mappings: meanings({ 0: ['no', 'text'], 1: ['shared', 'yellow'], 2: ['some have none', 'red'] }),
					'custom.cellOptions': COLOURED,
				}],
			], { h: 9, sortBy: 'Dropped/s' }),
		lines('Passed', 'Packets that had room, by limit. A packet may meet several.',
			over(lasting(packets('passed')), '{{limit}} ({{unit}})'), { unit: 'pps', w: 8 }),
		lines('Dropped', 'Packets that had none, and were dropped or answered.',
			over(lasting(rate('weir_limit_packets_total', `${LIMIT}, result=~"dropped|replied"`)), '{{limit}} ({{unit}})'),
			{ unit: 'pps', w: 8 }),
		lines('Would drop', 'Packets that limits in the shadow, or in monitor mode, would have dropped: look here before enforcing.',
			over(lasting(packets('would_drop')), '{{limit}} ({{unit}})'), { unit: 'pps', w: 8 }),
		lines('Refused share', 'Of the packets that a limit was asked about.',
			over(`${lasting(rate('weir_limit_packets_total', `${LIMIT}, result!~"passed|marked"`))} `
				+ `/ (${lasting(rate('weir_limit_packets_total', LIMIT))} > 0)`, '{{limit}} ({{unit}})'),
			{ unit: 'percentunit', max: 1, w: 8 }),
		lines('Use of what may pass', 'Of limits with one budget for all, in packets. WeirLimitUsedUp fires above 90 %.',
			over(use, '{{instance}} {{limit}}'), { unit: 'percentunit', steps: NEARLY, w: 8 }),
		lines('Headroom', 'What of the burst is there at this moment, of limits with one budget for all.',
			over(`${on('weir_limit_room', LIMIT)} / on (job, instance, limit, unit) (${on('weir_limit_burst', LIMIT)} > 0)`,
				'{{instance}} {{limit}} ({{unit}})'), { unit: 'percentunit', max: 1, w: 8 }),
		lines('Marked', 'Packets over a limit that passed with a DSCP.',
			over(lasting(packets('marked')), '{{limit}} ({{unit}})'), { unit: 'pps', w: 8 }),
		lines('In force', 'Schedules and flags: 1 while a limit holds.',
			over(on('weir_limit_in_force', LIMIT), '{{instance}} {{limit}} ({{unit}})'), { max: 1, w: 8 }),
		lines('Sources without a cell of their own', 'Packets by limit: charged to a shared cell, or to none.', [
			over(lasting(rate('weir_limit_coarse_total', LIMIT)), '{{limit}} ({{unit}}): shared'),
			over(lasting(rate('weir_limit_full_total', LIMIT)), '{{limit}} ({{unit}}): none'),
		], { unit: 'pps', w: 8 })),
	row('Adaptive limits and flags',
		lines('Factor', 'What an adaptive limit\'s rate is multiplied by.',
			over(on('weir_adaptive_factor', LIMIT), '{{instance}} {{limit}} ({{unit}})'), { unit: 'percentunit', max: 1, w: 8 }),
		lines('Measured, and what it is to stay below', 'softirq as a ratio, NIC drops per second, or what somebody posts.', [
			over(on('weir_adaptive_measured', LIMIT), '{{instance}} {{limit}}: {{target}}'),
			over(on('weir_adaptive_threshold', LIMIT), '{{instance}} {{limit}}: {{target}}, threshold'),
		], { unit: 'short', w: 8 }),
		table('Flags', 'For which share of the sources a flag is on: weir flags list.', { instance: 'Host', flag: 'Flag' }, [
			['On', on('weir_flag_enabled'),
				{ mappings: meanings({ 0: ['off', 'text'], 1: ['on', 'green'] }), 'custom.cellOptions': COLOURED }],
			['Of the sources', on('weir_flag_rollout_ratio'), { unit: 'percentunit' }],
		], { w: 8, noValue: 'the policy has none' })),
	row('Tenants',
		stat('Quotas', 'Quotas that there are. At most 500 are told one by one: those that are used most.',
			over(`sum(${on('weir_tenant_quotas')})`, 'quotas'), { h: 8 }),
		bars('Used of quotas', 'The share, day and month (UTC), those that are used most first. At 100 % the tenant\'s packets are dropped.',
			now(`topk(20, ${sum('tenant, unit, period', used)} / ${`count by (tenant, unit, period) (${on('weir_tenant_quota', TENANT)})`})`,
				'{{tenant}}: {{unit}} of the {{period}}'), { unit: 'percentunit', max: 1, steps: NEARLY, w: 10 }),
		lines('Used of quotas', 'Over time. It begins anew with the day or month.',
			over(used, '{{instance}} {{tenant}}: {{unit}} of the {{period}}'), { unit: 'percentunit', steps: NEARLY, w: 10 }),
		table('Quotas', 'weir tenants show TENANT says more; weir tenants usage is what bills are made of.',
			{ instance: 'Host', tenant: 'Tenant', unit: 'Unit', period: 'Period' }, [
				['Quota', on('weir_tenant_quota', TENANT), { unit: 'short' }],
				['Used', on('weir_tenant_quota_used', TENANT), { unit: 'short' }],
				['Share', used, { unit: 'percentunit', thresholds: nearly, 'custom.cellOptions': COLOURED }],
			], { sortBy: 'Share' })),
	row('Feeds and connections',
		table('Feeds', 'Lists that come from files. What a feed said last holds until its ttl.', { instance: 'Host', feed: 'Feed' }, [
			['Entries', on('weir_feed_entries'), { unit: 'short' }],
			['Read', `1000 * (${on('weir_feed_read_time_seconds')} > 0)`, { unit: 'dateTimeFromNow' }],
			['File', on('weir_feed_failing'),
				{ mappings: meanings({ 0: ['read', 'green'], 1: ['refused or gone', 'red'] }), 'custom.cellOptions': COLOURED }],
		], { w: 8, noValue: 'the policy has none' }),
		lines('Age of feeds', 'Since the content that is in force was read.',
			over(`time() - (${on('weir_feed_read_time_seconds')} > 0)`, '{{instance}} {{feed}}'), { unit: 's', w: 8 }),
		lines('Connections', 'TCP connections counted under limits on open ones: opened, closed, and those that could not be counted.', [
			over(sum('', rate('weir_connections_opened_total')), 'opened'),
			over(sum('', rate('weir_connections_closed_total')), 'closed'),
			over(sum('cause', rate('weir_connections_uncounted_total')), 'not counted: {{cause}}'),
		], { unit: 'cps', w: 8, overrides: [override('opened', { color: { mode: 'fixed', fixedColor: 'green' } })] })));
