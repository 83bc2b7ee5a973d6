/* The picture of all partitions: a square each, in the colour of how its replicas are. */
'use strict';

const MAP_KINDS = [
	{name: 'whole', color: '--cell', note: 'all replicas up'},
	{name: 'short of a replica', color: '--warn-fill', note: 'a replica is down'},
	{name: 'without a majority', color: '--bad-fill', note: 'strong requests are refused'},
];

const MAP_CELL_MIN = 5, MAP_CELL_MAX = 36, MAP_HEIGHT = 110; /* pixels */

/** There are 2^n partitions: so many columns, too, that no line is short and the picture is about MAP_HEIGHT high. */
function mapColumns(width, total) {
	let best = 1, least = Infinity;
	for (let columns = 1; columns <= total; columns *= 2) {
		const cell = Math.min(width / columns, MAP_CELL_MAX);
		const off = Math.abs(Math.log(total / columns * cell / MAP_HEIGHT));
		if (cell >= MAP_CELL_MIN && off < least)
			[best, least] = [columns, off];
	}
	return best;
}

class PartitionMap {
	constructor() {
		this.canvas = $('map');
		this.node = null; /* whose partitions are shown; null: all */
		this.at = null;   /* partition that is told about */
		this.rows = [];
		new ResizeObserver(() => this.draw()).observe(this.canvas.parentElement);
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
		this.canvas.addEventListener('pointermove', event => this.point(event));
		this.canvas.addEventListener('pointerleave', () => this.choose(null));
		this.canvas.addEventListener('blur', () => this.choose(null));
		this.canvas.addEventListener('keydown', event => this.key(event));
	}

	set(rows, nodes, moves) {
		this.rows = rows;
		this.nodes = nodes;
		this.moves = new Map(moves.map(move => [move.partition, move]));
		this.drawChoices();
		this.drawLegend();
		this.draw();
		this.tell();
	}

	isUp(index) {
		return isUp(this.nodes[index]);
	}

	/** Index into MAP_KINDS. */
	kind(partition) {
		const row = this.rows[partition];
		const up = row.filter(index => this.isUp(index)).length;
		return up === row.length ? 0 : up >= Math.floor(row.length / 2) + 1 ? 1 : 2;
	}

	holds(partition, node) {
		const move = this.moves.get(partition);
		return this.rows[partition].includes(node) || (move && move.new_row.includes(node));
	}

	drawChoices() {
		const names = [null, ...this.nodes.filter(isMember).map(node => node.index)];
		const key = names.map(index => index === null ? '' : this.nodes[index].name).join('\n');
		if (key !== this.choiceKey) {
			this.choiceKey = key;
			fill($('map-nodes'), ...names.map(index => element('button', {type: 'button', role: 'radio',
				onclick: () => this.show(index), onkeydown: event => this.choiceKeyDown(event)},
				index === null ? 'all' : this.nodes[index].name)));
			this.choiceIndexes = names;
		}
		[...$('map-nodes').children].forEach((button, i) => {
			const chosen = this.choiceIndexes[i] === this.node;
			button.setAttribute('aria-checked', String(chosen));
			button.tabIndex = chosen ? 0 : -1;
		});
	}

	show(index) {
		this.node = index;
		this.drawChoices();
		this.draw();
		this.tell();
	}

	choiceKeyDown(event) {
		const step = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1}[event.key];
		if (!step)
			return;
		const buttons = [...$('map-nodes').children];
		const next = (buttons.indexOf(event.target) + step + buttons.length) % buttons.length;
		this.show(this.choiceIndexes[next]);
		buttons[next].focus();
		event.preventDefault();
	}

	drawLegend() {
		const counts = MAP_KINDS.map(() => 0);
		this.rows.forEach((_, partition) => counts[this.kind(partition)]++);
		this.summary = MAP_KINDS.map((kind, i) => [kind, counts[i]]).filter(([, number], i) => number > 0 || i === 0);
		const items = this.summary.map(([kind, number]) =>
			element('li', {title: kind.note}, element('i', {style: `--c: var(${kind.color})`}), kind.name, element('b', {}, String(number))));
		if (this.moves.size > 0)
			items.push(element('li', {}, element('i', {className: 'moving', style: '--c: var(--move)'}), 'moving',
				element('b', {}, String(this.moves.size))));
		fill($('map-legend'), ...items);
	}

	draw() {
		const width = this.canvas.parentElement.clientWidth, total = this.rows.length;
		if (total === 0 || width === 0)
			return;
		this.columns = mapColumns(width, total);
		this.cell = Math.min(width / this.columns, MAP_CELL_MAX);
		const height = Math.ceil(total / this.columns) * this.cell;
		const dots = devicePixelRatio || 1;
		this.canvas.style.height = height + 'px';
		this.canvas.width = Math.round(width * dots);
		this.canvas.height = Math.round(height * dots);
		const pen = this.canvas.getContext('2d');
		pen.scale(dots, dots);
		const style = getComputedStyle(document.documentElement);
		const colors = MAP_KINDS.map(kind => style.getPropertyValue(kind.color).trim());
		for (let partition = 0; partition < total; partition++)
			this.drawCell(pen, partition, colors, style);
	}

	drawCell(pen, partition, colors, style) {
		const gap = this.cell > 12 ? 2 : 1;
		const x = partition % this.columns * this.cell, y = Math.floor(partition / this.columns) * this.cell;
		const side = this.cell - gap;
		pen.globalAlpha = this.node !== null && !this.holds(partition, this.node) ? .16 : 1;
		pen.fillStyle = colors[this.kind(partition)];
		pen.beginPath();
		pen.roundRect(x, y, side, side, Math.min(side / 6, 3));
		pen.fill();
		if (this.moves.has(partition)) {
			pen.strokeStyle = style.getPropertyValue('--move').trim();
			pen.lineWidth = Math.max(side / 6, 1.5);
			pen.strokeRect(x + pen.lineWidth / 2, y + pen.lineWidth / 2, side - pen.lineWidth, side - pen.lineWidth);
		}
		pen.globalAlpha = 1;
		if (partition === this.at) {
			pen.strokeStyle = style.getPropertyValue('--ink').trim();
			pen.lineWidth = 2;
			pen.strokeRect(x + 1, y + 1, side - 2, side - 2);
		}
	}

	point(event) {
		const {left, top} = this.canvas.getBoundingClientRect();
		const column = Math.floor((event.clientX - left) / this.cell), line = Math.floor((event.clientY - top) / this.cell);
		const partition = line * this.columns + column;
		this.choose(column < this.columns && partition < this.rows.length ? partition : null);
	}

	key(event) {
		const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns};
		if (event.key === 'Escape')
			this.choose(null);
		else if (event.key in steps)
			this.choose(this.at === null ? 0 : Math.min(Math.max(this.at + steps[event.key], 0), this.rows.length - 1));
		else
			return;
		event.preventDefault();
	}

	choose(partition) {
		if (partition === this.at)
			return;
		this.at = partition;
		this.draw();
		this.tell();
	}

	tell() {
		$('map-note').textContent = this.at === null ? this.tellAll() : this.tellOne(this.at);
		this.canvas.setAttribute('aria-label', plural(this.rows.length, 'partition') + ': ' +
			(this.summary || []).map(([kind, number]) => number + ' ' + kind.name).join(', ') + '. Arrow keys go through them.');
	}

	tellAll() {
		if (this.node === null)
			return 'Point at a square, or use the arrow keys.';
		const node = this.nodes[this.node];
		return `${node.name} holds ${plural(node.partitions, 'partition')} of ${this.rows.length}.`;
	}

	tellOne(partition) {
		const names = row => row.map(index => this.nodes[index].name + (this.isUp(index) ? '' : ' (down)')).join(', ');
		const move = this.moves.get(partition);
		return `Partition ${partition}: ${names(this.rows[partition])}` +
			(move ? `; moves to ${names(move.new_row)}` : '') + `. ${MAP_KINDS[this.kind(partition)].note}.`;
	}
}
