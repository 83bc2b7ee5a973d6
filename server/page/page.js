/* What /status.json says, put on the page every two seconds. */
'use strict';

const SLOW_SHOWN = 12, MOVES_SHOWN = 12;
const POLL_MS = 2000, POLL_SLOW_MS = 5000;
const VERDICTS = {
	healthy: {tone: 'good', text: 'Healthy'},
	degraded: {tone: 'warn', text: 'Degraded'},
	quorum_lost: {tone: 'bad', text: 'Some keys have no majority'},
	no_cluster: {tone: 'none', text: 'In no cluster'},
};
const GROUPS = [
	{id: 'reads', name: 'reads', color: '--reads'},
	{id: 'reads_strong', name: 'strong reads', color: '--reads-strong'},
	{id: 'writes', name: 'writes', color: '--writes'},
	{id: 'writes_strong', name: 'strong writes', color: '--writes-strong'},
];

let paused = false, answeredAt = null, timer = null, asking = false;
const rateChart = new Chart('rate', 'Answers a second', {stacked: true, least: 1, format: value => rate(value * 1000)});
const latencyChart = new Chart('latency', 'Latency, the slowest hundredth', {least: 1000, most: 10000, format: duration});
const partitionMap = new PartitionMap();

function isMember(node) {
	return node.state !== 'removed' && node.state !== 'staged';
}

function isUp(node) {
	return node.liveness === 'up' || node.liveness === 'suspect' || (node.liveness === 'myself' && node.serves);
}

/* ---- Verdict ---- */

function showVerdict(s) {
	const verdict = VERDICTS[s.verdict.state];
	if ($('verdict').dataset.state !== s.verdict.state) {
		$('verdict').dataset.state = s.verdict.state;
		$('verdict').className = 'verdict tone-' + verdict.tone;
		fill($('verdict-icon'), icon(verdict.tone));
		$('verdict-state').textContent = verdict.text;
		const tone = getComputedStyle($('verdict')).getPropertyValue('--tone').trim();
		$('icon').href = 'data:image/svg+xml,' + encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">' +
			`<path fill="${tone || '#777'}" fill-rule="evenodd" d="${SHAPES[verdict.tone]}"/></svg>`);
	}
	const words = s.verdict.words.split('; ');
	if (!s.node.fit && s.node.unfit_because)
		words.push('this node takes no clients: ' + s.node.unfit_because);
	if ($('verdict-list').textContent !== words.join(''))
		fill($('verdict-list'), ...words.map(word => element('li', {}, word)));
	document.title = `${verdict.text} · ${s.cluster.name || 'kvd'} at ${s.node.name}`;
}

function figure(name, value, kind) {
	return element('div', {}, element('dt', {}, name), element('dd', {className: kind || ''}, value));
}

function showFigures(s) {
	const last = s.history.failed_milli_per_sec.length - 1;
	const total = last < 0 ? null : GROUPS.reduce((sum, g) => sum + s.history[g.id + '_milli_per_sec'][last], 0);
	const failed = last < 0 ? null : s.history.failed_milli_per_sec[last];
	const v = s.verdict;
	fill($('figures'),
		figure('nodes up', `${v.members_up} of ${v.members}`, v.members_up < v.members ? 'is-warn' : ''),
		figure('may still fail', s.rows.length ? plural(v.losable, 'node') : '–', v.without_quorum ? 'is-bad' : v.losable === 0 ? 'is-warn' : ''),
		figure('answers a second here', total === null ? '–' : rate(total)),
		figure('of them failed', failed === null ? '–' : rate(failed), failed > 0 ? 'is-bad' : ''));
}

function showBar(s) {
	$('cluster-name').textContent = s.cluster.name || 'no cluster';
	$('node-name').textContent = s.node.name;
	$('about').textContent = `kvd ${s.node.version} · up ${long(s.node.uptime_ms / 1000)} · map ${s.cluster.epoch}` +
		(s.cluster.replicas ? ` · ${plural(s.cluster.replicas, 'replica')}` : '') + (s.node.insecure ? ' · insecure' : '');
}

/* ---- Nodes ---- */

function stateOf(node) {
	if (node.state === 'staged')
		return ['none', 'staged'];
	if (node.liveness === 'down')
		return ['bad', 'down'];
	if (node.liveness === 'myself' && !node.serves)
		return ['warn', 'starting'];
	const doubts = [];
	if (node.liveness === 'suspect')
		doubts.push('silent');
	if (node.link_bad)
		doubts.push('bad link');
	if (node.disk_low)
		doubts.push('disk nearly full');
	if (node.disk_slow)
		doubts.push('slow disk');
	if (node.state !== 'normal')
		doubts.push(node.state);
	return doubts.length ? ['warn', 'up, ' + doubts.join(', ')] : ['good', 'up'];
}

function cell(label, text, kind) {
	return element('td', {className: kind || '', 'data-label': label}, text);
}

function waitingOf(node) {
	const parts = [];
	if (node.hints_pending)
		parts.push(count(node.hints_pending));
	if (node.partitions_dirty)
		parts.push(plural(node.partitions_dirty, 'partition'));
	return parts.join(' + ') || '0';
}

/** The name, and where the node's own page is known, the way there. */
function nameOf(node, self, told) {
	if (self)
		return element('span', {}, node.name, element('span', {className: 'dim'}, ' this'));
	if (!told || !node.http_address)
		return element('span', {}, node.name);
	return element('a', {href: `http://${node.http_address}/`, 'data-node': String(node.index)}, node.name);
}

/** Rows are made anew each time: who stands on a link stays there. */
function showNodes(nodes) {
	const body = $('nodes').tBodies[0], held = body.contains(document.activeElement) ? document.activeElement.dataset.node : null;
	fill(body, ...nodes.filter(node => node.state !== 'removed').map(nodeRow));
	if (held)
		body.querySelector(`[data-node="${held}"]`)?.focus({preventScroll: true});
}

/** What a node that is down told last is no news. */
function nodeRow(node) {
	const [tone, text] = stateOf(node), self = node.liveness === 'myself', waiting = waitingOf(node);
	const told = node.liveness && node.liveness !== 'down', ahead = told ? node.clock_ahead_ms : 0;
	return element('tr', {},
		element('th', {scope: 'row'}, nameOf(node, self, told)),
		element('td', {'data-label': 'State'}, element('span', {className: 'state is-' + (tone === 'none' ? 'dim' : tone)}, icon(tone), text)),
		cell('Zone', node.zone || '–'),
		cell('Partitions', String(node.partitions), 'n'),
		cell('Waiting changes', waiting, 'n' + (waiting === '0' ? ' zero' : ' is-warn')),
		cell('Round trip', told && node.round_trip_us ? duration(node.round_trip_us) : '–', 'n'),
		cell('Commits p99', told && node.disk_p99_us ? duration(node.disk_p99_us) : '–', 'n' + (told && node.disk_slow ? ' is-warn' : '')),
		cell('Disk free', told && node.disk_free_pct ? node.disk_free_pct + ' %' : '–', 'n' + (told && node.disk_free_pct && node.disk_free_pct < 10 ? ' is-bad' : '')),
		cell('Clock', self || !told ? '–' : (ahead > 0 ? '+' : ahead < 0 ? '−' : '') + Math.abs(ahead) + ' ms', 'n' + (Math.abs(ahead) > 500 ? ' is-bad' : '')),
		element('td', {className: 'full', 'data-label': 'Clients at'}, element('span', {className: 'address'}, node.client_address)));
}

/* ---- Charts and requests ---- */

function showCharts(s) {
	const h = s.history, points = h.failed_milli_per_sec.length;
	const stacked = GROUPS.map(g => ({name: g.name, color: g.color, value: i => h[g.id + '_milli_per_sec'][i] / 1000}));
	const failed = {name: 'failed', color: '--bad-fill', over: true,
		value: i => h.failed_milli_per_sec[i] / 1000 || null, text: i => rate(h.failed_milli_per_sec[i])};
	rateChart.set([...stacked, failed], points, h.step_ms);
	const known = value => value > 0 ? value : null;
	const lines = [];
	for (const g of GROUPS) {
		const p50 = h[g.id + '_p50_us'], p99 = h[g.id + '_p99_us'];
		lines.push({name: g.name, color: g.color, thin: true, value: i => known(p50[i])});
		lines.push({name: g.name, color: g.color, value: i => known(p99[i]), text: i => p99[i] ? duration(p99[i]) + ' / ' + duration(p50[i]) : '–'});
	}
	latencyChart.set(lines, points, h.step_ms);
}

function requestRow(r) {
	const done = ['OK', 'NOT_FOUND', 'CONDITION_FAILED'];
	const failed = Object.entries(r.results).filter(([name]) => !done.includes(name));
	const told = failed.map(([name, number]) => `${count(number)} ${name.toLowerCase().replace(/_/g, ' ')}`).join(', ');
	const recent = value => r.recent.count ? duration(value) : '–';
	return element('tr', {},
		element('th', {scope: 'row'}, r.op), cell('Level', r.level), cell('Answers', count(r.recent.count), 'n'),
		cell('p50', recent(r.recent.p50_us), 'n'), cell('p99', recent(r.recent.p99_us), 'n'), cell('p99.9', recent(r.recent.p999_us), 'n'),
		cell('Longest', recent(r.recent.max_us), 'n'), cell('Since the start', count(r.since_start.count), 'n'),
		cell('Failed', told || '0', 'n full' + (told ? ' is-bad' : ' zero')));
}

function showRequests(s) {
	const rows = s.requests.map(requestRow);
	if (rows.length === 0)
		rows.push(element('tr', {}, element('td', {colSpan: 9, className: 'dim full'}, 'No client has asked this node anything since it started.')));
	fill($('requests').tBodies[0], ...rows);
}

/* ---- Moves, repair, slow operations ---- */

function moveRow(move, nodes) {
	const name = index => index === null ? 'nobody yet' : nodes[index].name;
	const part = move.stage === 'done' ? 1 : move.bytes ? Math.min(move.bytes_done / move.bytes, 1) : 0;
	const rest = move.bytes_per_sec ? (move.bytes - move.bytes_done) / move.bytes_per_sec : 0;
	const label = `partition ${move.partition} to ${name(move.to)}`;
	return element('li', {},
		element('div', {className: 'line'}, element('b', {}, `Partition ${move.partition}`), `to ${name(move.to)}`,
			element('span', {className: 'dim'}, move.stage), element('span', {className: 'grow'}),
			element('span', {}, `${size(move.bytes_done)} of ${size(move.bytes)}`),
			rest > 1 && element('span', {className: 'dim'}, long(rest) + ' left') || null,
			move.retries ? element('span', {className: 'is-warn'}, plural(move.retries, 'retry', 'retries')) : null),
		element('progress', {max: 1, value: part, 'aria-label': label}),
		move.message ? element('div', {className: 'is-warn'}, move.message) : null);
}

function showMoves(s) {
	const {items, waiting, paused: held} = s.moves;
	$('moves-note').textContent = (items.length === 0 && waiting === 0 ? 'All partitions are where the plan wants them.' :
		`${items.length} under way, ${waiting} waiting.`) + (held ? ' Moves are paused: kvctl cluster resume.' : '');
	fill($('moves'), ...items.slice(0, MOVES_SHOWN).map(move => moveRow(move, s.nodes)));
}

function fact(name, value, kind) {
	return [element('dt', {}, name), element('dd', {className: kind || ''}, value)];
}

function showRepair(s) {
	const r = s.repair, oldest = s.repair.oldest[0];
	const age = ms => ms === null ? 'not since the start' : long(ms / 1000) + ' ago';
	const old = oldest && (oldest.equal_age_ms === null ? s.node.uptime_ms : oldest.equal_age_ms) > 86400e3;
	const blocked = r.purge_blocked ? plural(r.purge_blocked, 'partition') + ' wait' + (r.purge_blocked === 1 ? 's' : '') +
		(r.purge_blocked_by === null ? '' : ' for ' + s.nodes[r.purge_blocked_by].name) : 'none waits';
	fill($('repair'),
		...fact('Oldest comparison of two replicas', oldest ? age(oldest.equal_age_ms) : '–', old ? 'is-warn' : ''),
		...fact('Copies mended by comparing', count(r.repaired)),
		...fact('Damaged records found', count(r.corrupt), r.corrupt ? 'is-bad' : ''),
		...fact('Hash trees not ready', String(r.building)),
		...fact('Deletions kept', count(r.tombstones)),
		...fact('Old deletions', blocked, r.purge_blocked ? 'is-warn' : ''));
	fill($('pairs'), ...s.repair.oldest.slice(0, 6).map(pair => element('li', {},
		`partition ${pair.partition} with ${s.nodes[pair.peer] ? s.nodes[pair.peer].name : '?'}: ${age(pair.equal_age_ms)}`)));
}

function showSlow(s) {
	$('slow-panel').hidden = !s.slow;
	if (!s.slow)
		return;
	const rows = s.slow.slice(0, SLOW_SHOWN).map(one => element('tr', {},
		element('th', {scope: 'row'}, long(Math.max(s.at_ms - one.at_ms, 0) / 1000) + ' ago'), cell('Operation', one.op.toLowerCase()),
		cell('Level', one.level), cell('Partition', String(one.partition), 'n'), cell('Took', duration(one.took_us), 'n'),
		cell('Queued', duration(one.queue_us), 'n'), cell('Ended', one.result.toLowerCase().replace(/_/g, ' ')),
		element('td', {className: 'full', 'data-label': 'Spent on'}, element('span', {className: 'phases'}, one.phases))));
	if (rows.length === 0)
		rows.push(element('tr', {}, element('td', {colSpan: 8, className: 'dim full'}, 'None lately.')));
	fill($('slow').tBodies[0], ...rows);
}

/* ---- Asking ---- */

function show(s) {
	for (const node of s.nodes) {
		if (node.liveness === 'myself')
			node.serves = s.node.ready;
	}
	showBar(s);
	showVerdict(s);
	showFigures(s);
	showNodes(s.nodes);
	partitionMap.set(s.rows, s.nodes, s.moves.items);
	showCharts(s);
	showRequests(s);
	showMoves(s);
	showRepair(s);
	showSlow(s);
}

function clockTime(date) {
	return date.toLocaleTimeString([], {hour12: false});
}

function showFailure() {
	$('stale').hidden = false;
	$('stale').textContent = answeredAt === null ? 'The node does not answer.' :
		`The node has not answered since ${clockTime(answeredAt)}. What is shown is from then.`;
}

async function ask() {
	if (asking)
		return;
	asking = true;
	clearTimeout(timer);
	let good = false;
	try {
		const answer = await fetch('status.json', {cache: 'no-store', signal: AbortSignal.timeout(POLL_SLOW_MS)});
		const s = await answer.json();
		good = true;
		answeredAt = new Date();
		$('stale').hidden = true;
		$('clock').textContent = paused ? 'paused' : clockTime(answeredAt);
		show(s);
	} catch (error) {
		if (good)
			throw error; /* a mistake of this page, not of the node */
		showFailure();
	} finally {
		asking = false;
		document.documentElement.dataset.asked = good ? 'yes' : 'failed';
		if (!paused)
			timer = setTimeout(ask, document.hidden ? POLL_SLOW_MS : POLL_MS);
	}
}

function pause() {
	paused = !paused;
	$('pause').setAttribute('aria-pressed', String(paused));
	$('clock').textContent = paused ? 'paused' : '';
	if (paused)
		clearTimeout(timer);
	else
		ask();
}

$('pause').addEventListener('click', pause);
document.addEventListener('keydown', event => {
	if (event.key === 'p' && !event.ctrlKey && !event.metaKey && !event.altKey)
		pause();
});
document.addEventListener('visibilitychange', () => {
	if (!document.hidden && !paused)
		ask();
});
ask();
