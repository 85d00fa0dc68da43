// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What weir itself costs, what it loses, whether its log is whole, and how its API does.

'use strict';
const { bars, dashboard, lines, meanings, now, on, over, quantile, rate, row, stat, sum, table } = require('./panel');

const STAGE = 'weir_packet_stage_duration_seconds';
const COMMIT = 'weir_audit_commit_duration_seconds';
const API = 'weir_api_request_duration_seconds';

const states = (title, description, expr, good, bad, o) => stat(title, description, over(expr, title),
	{ mappings: meanings({ 0: [good, 'green'], 1: [bad, 'red'] }), w: 4, h: 3, ...o });

module.exports = dashboard('weir-internals', 'weir / Internals',
	'What weir itself costs by stage, what it loses, the audit log, and the API.', {},
	row('What a packet costs',
		lines('By stage', 'The mean, of the packets that are measured (metrics.timing in the policy). Each stage has what reading the clock '
			+ 'takes besides: see clock.',
			over(`${sum('stage', rate(`${STAGE}_sum`, 'stage!="all"'))} / (${sum('stage', rate(`${STAGE}_count`, 'stage!="all"'))} > 0)`,
				'{{stage}}'), { unit: 's', stack: true, w: 8 }),
		lines('In all', 'Of all stages together: half and 99 of 100 packets took at most this. Bounds of buckets double.', [
			over(quantile(0.5, STAGE, '', 'stage="all"'), 'half'), over(quantile(0.99, STAGE, '', 'stage="all"'), '99 %'),
		], { unit: 's', w: 8 }),
		lines('Charges tried again', 'Another CPU was faster, while metrics.timing is on. Many: one key gets packets on many CPUs.',
			over(rate('weir_charge_retries_total'), '{{instance}}'), { unit: 'ops', w: 8 })),
	row('What weir costs',
		lines('CPU of the daemon', 'In CPUs. The datapath\'s is not in here: that is the cost by stage times the packets.',
			over(rate('weir_process_cpu_seconds_total'), '{{instance}}'), { unit: 'percentunit', w: 8 }),
		lines('Memory', 'Of the daemon, and of the BPF maps as the kernel accounts for them.', [
			over(on('weir_process_resident_bytes'), '{{instance}}: daemon'),
			over(sum('instance', on('weir_map_bytes')), '{{instance}}: maps'),
		], { unit: 'bytes', w: 8 }),
		bars('Maps', 'Memory by BPF map.', now(`topk(12, ${sum('map', on('weir_map_bytes'))})`, '{{map}}'), { unit: 'bytes', w: 8 }),
		lines('Room for sources', 'How many sources limits have room to remember, and about how many cells are in use.', [
			over(on('weir_sources_max'), '{{instance}}: room'),
			over(`${on('weir_cells_busy_ratio')} * on (job, instance) ${on('weir_sources_max')}`, '{{instance}}: in use, about'),
		], { unit: 'short', w: 8 }),
		lines('File descriptors', 'The share that is open of those that may be.',
			over(`${on('weir_process_open_fds')} / ${on('weir_process_max_fds')}`, '{{instance}}'),
			{ unit: 'percentunit', max: 1, steps: [[null, 'green'], [0.9, 'red']], w: 8 }),
		lines('Threads', 'Of the daemon.', over(on('weir_process_threads'), '{{instance}}'), { w: 8 })),
	row('Losses',
		lines('Event records', 'That the datapath offered, that arrived, and that the ring had no room for. Packets are counted in any case.', [
			over(sum('', rate('weir_events_offered_total')), 'offered'),
			over(sum('', rate('weir_events_delivered_total')), 'delivered'),
			over(sum('', rate('weir_events_lost_total')), 'lost'),
		], { unit: 'ops', w: 8 }),
		lines('The event ring', 'The share that is used. A full ring loses records.',
			over(`${on('weir_ring_bytes', 'state="used"')} / on (job, instance) ${on('weir_ring_bytes', 'state="size"')}`, '{{instance}}'),
			{ unit: 'percentunit', max: 1, w: 8 }),
		lines('Told of by no event', 'Dropped packets that are counted but over the event budget.',
			over(rate('weir_events_suppressed_packets_total'), '{{instance}}'), { unit: 'pps', w: 8 }),
		lines('Windows of drops', 'That are open, and the packets in them that have no record yet.', [
			over(sum('', on('weir_event_windows')), 'windows'), over(sum('', on('weir_event_pending_packets')), 'packets'),
		], { unit: 'short', w: 8 }),
		lines('Audit records lost', 'The chain says so where it goes on.',
			over(rate('weir_audit_lost_total'), '{{instance}}'), { unit: 'ops', w: 8 }),
		lines('Interfaces lost', 'How often an interface went away or its program was taken off.',
			over(`increase(${on('weir_link_losses_total')}[$__rate_interval])`, '{{instance}} {{iface}}'), { unit: 'short', w: 8 })),
	row('Audit log',
		states('Log', 'Whether the chain can be written.', `max(${on('weir_audit_degraded')})`, 'written', 'degraded'),
		states('Signing', 'Halted: the log contradicts what was signed.', `max(${on('weir_audit_checkpoint_halted')})`, 'goes on', 'halted'),
		states('Key of checkpoints', 'Whether checkpoints can be signed.', `max(${on('weir_audit_checkpoint_failing')})`, 'there', 'failing'),
		states('Vault', 'Whether values about people are sealed, or truncated for want of the key.',
			`1 - min(${on('weir_vault_works')})`, 'open', 'closed'),
		states('Store', 'Whether the database can be written.', `1 - min(${on('weir_store_works')})`, 'written', 'not written'),
		states('Pins', 'Missing: enforcement would not outlive the daemon.', `max(${on('weir_pins_missing')})`, 'there', 'missing'),
		lines('Records', 'Made durable, and the batches in which they were.', [
			over(rate('weir_audit_records_total'), '{{instance}}: records'),
			over(rate('weir_audit_commits_total'), '{{instance}}: batches'),
		], { unit: 'ops', w: 8 }),
		lines('To disk', 'How long a batch took until the disk confirmed it.', [
			over(quantile(0.5, COMMIT), 'half'), over(quantile(0.99, COMMIT), '99 %'),
		], { unit: 's', steps: [[null, 'green'], [1, 'red']], w: 8 }),
		lines('Waiting', 'Records that are not durable yet, that no checkpoint covers, and that no index covers.', [
			over(on('weir_audit_queue_records'), '{{instance}}: not durable'),
			over(on('weir_audit_checkpoint_records'), '{{instance}}: not signed'),
			over(on('weir_audit_index_lag_records'), '{{instance}}: not indexed'),
		], { unit: 'short', w: 8 }),
		lines('Free disk', 'Of the file system of the log. WeirAuditDiskLow fires below 5 %.',
			over(`${on('weir_audit_disk_free_bytes')} / ${on('weir_audit_disk_size_bytes')}`, '{{instance}}'),
			{ unit: 'percentunit', max: 1, steps: [[null, 'red'], [0.05, 'yellow'], [0.15, 'green']], w: 8 }),
		lines('Not signed for', 'How long there have been records that no checkpoint covers, and how old the last one is.', [
			over(on('weir_audit_checkpoint_seconds'), '{{instance}}: records wait'),
			over(`time() - (${on('weir_audit_checkpoint_time_seconds')} > 0)`, '{{instance}}: last checkpoint'),
		], { unit: 's', w: 8 }),
		lines('Checkpoints and indexes', 'Signed, made, and indexes that could not be made.', [
			over(rate('weir_audit_checkpoints_total'), '{{instance}}: checkpoints'),
			over(rate('weir_audit_index_built_total'), '{{instance}}: indexes'),
			over(rate('weir_audit_index_errors_total'), '{{instance}}: failed'),
		], { unit: 'ops', w: 8 }),
		table('Exports', 'Where records go, and what has not arrived yet.', { instance: 'Host', export: 'Target' }, [
			['Behind', on('weir_audit_export_lag_records'), { unit: 'short' }],
			['Sent/s', rate('weir_audit_export_records_total'), { unit: 'ops' }],
			['Errors/s', rate('weir_audit_export_errors_total'), { unit: 'ops' }],
			['State', on('weir_audit_export_failing'), {
				mappings: meanings({ 0: ['takes them', 'green'], 1: ['takes none', 'red'] }),
				'custom.cellOptions': { type: 'color-text' },
			}],
		], { w: 12, h: 7, noValue: 'the policy has none' }),
		lines('Vault', 'Values about people that were sealed, and refused; for how many people it has keys.', [
			over(rate('weir_vault_sealed_total'), '{{instance}}: sealed/s'),
			over(rate('weir_vault_refused_total'), '{{instance}}: refused/s'),
			over(on('weir_vault_subjects'), '{{instance}}: people'),
		], { unit: 'short', w: 12, h: 7 })),
	row('OpenTelemetry',
		states('Receiver', 'Whether it takes what is sent. There is one if the policy has otlp.',
			`max(${on('weir_otlp_failing')})`, 'takes it', 'takes nothing', { h: 8, noValue: 'the policy has none' }),
		lines('Spans', 'Sent, rejected by the receiver, dropped for want of room.',
			over(sum('result', rate('weir_otlp_spans_total')), '{{result}}'), { unit: 'ops', w: 7 }),
		lines('Metrics', 'Sent, or given up for later ones.',
			over(sum('result', rate('weir_otlp_metrics_total')), '{{result}}'), { unit: 'ops', w: 6 }),
		lines('On their way', 'Spans that wait, and requests per second that were not answered or refused.', [
			over(on('weir_otlp_queue_spans'), '{{instance}}: spans'),
			over(rate('weir_otlp_errors_total'), '{{instance}}: failed/s'),
		], { unit: 'short', w: 7 })),
	row('API',
		lines('Requests by operation', 'That were answered.',
			over(`${sum('operation', rate('weir_api_requests_total'))} > 0`, '{{operation}}'), { unit: 'reqps', w: 8 }),
		lines('Requests by status', 'Of HTTP. 429: asked too often; 503: too busy; 507: the log cannot be written.',
			over(`${sum('code', rate('weir_api_requests_total'))} > 0`, '{{code}}'), { unit: 'reqps', w: 8 }),
		lines('Time to answer', 'From the whole request until the answer was sent.', [
			{ ...over(quantile(0.5, API), 'half'), exemplar: true }, { ...over(quantile(0.99, API), '99 %'), exemplar: true },
		], { unit: 's', steps: [[null, 'green'], [1, 'red']], w: 8 }),
		lines('Connections', 'That are open, and those per second that were turned away.', [
			over(sum('', on('weir_api_connections')), 'open'),
			over(sum('', rate('weir_api_connections_refused_total')), 'turned away/s'),
		], { unit: 'short', w: 8 }),
		lines('Who may', 'Keys that are good, sessions that are open, users who have to wait.', [
			over(sum('', on('weir_api_keys')), 'keys'),
			over(sum('', on('weir_api_sessions')), 'sessions'),
			over(sum('', on('weir_api_locked_out_users')), 'locked out'),
		], { unit: 'short', w: 8 }),
		lines('Scrapes', 'How long it took to make the metrics.',
			over(on('weir_metrics_duration_seconds'), '{{instance}}'), { unit: 's', w: 4 }),
		lines('Series', 'Of a scrape. It is bounded: user/metrics/README.md.',
			over(on('weir_metrics_series'), '{{instance}}'), { unit: 'short', w: 4 })));
