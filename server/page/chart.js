/* Charts over time: lines or stacked areas, drawn anew with each answer; one cross for all of them. */
'use strict';

const CHART_STEPS = [60, 150, 300]; /* points shown: the least that holds what there is */
const chartCross = {back: null};    /* points before the newest that the cross is at; null: nowhere */
const charts = [];

function svgElement(tag, attributes) {
	const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
	for (const [name, value] of Object.entries(attributes))
		made.setAttribute(name, value);
	return made;
}

function svgText(x, y, anchor, text, kind) {
	const made = svgElement('text', {x, y, 'text-anchor': anchor, class: kind || ''});
	made.textContent = text;
	return made;
}

/** Round numbers up to MAX, two to four of them besides 0. */
function linearTicks(max) {
	const rough = max / 4, power = 10 ** Math.floor(Math.log10(rough));
	const step = [1, 2, 2.5, 5, 10].map(f => f * power).find(s => s >= rough);
	const ticks = [];
	for (let value = 0; value <= max * 1.0001; value += step)
		ticks.push(value);
	return ticks;
}

/**
 * A chart in the element ID. SERIES: [{name, color, value(i), thin}], where value gives null for nothing. STACKED: areas
 * on top of each other from 0; else lines on a logarithmic scale. FORMAT makes a label of a value.
 */
class Chart {
	constructor(id, label, options) {
		this.box = $(id);
		this.at = $(id + '-at');
		this.legend = $(id + '-legend');
		this.label = label;
		this.options = options;
		this.series = [];
		this.count = 0;
		charts.push(this);
		new ResizeObserver(() => this.draw()).observe(this.box);
		this.box.addEventListener('pointermove', event => this.point(event));
		this.box.addEventListener('pointerleave', () => moveCross(null));
		this.box.addEventListener('blur', () => moveCross(null));
		this.box.addEventListener('keydown', event => this.key(event));
	}

	set(series, points, stepMs) {
		this.series = series;
		this.count = points;
		this.stepMs = stepMs;
		this.shown = CHART_STEPS.find(s => s >= points) || CHART_STEPS[CHART_STEPS.length - 1];
		this.draw();
	}

	point(event) {
		const {left, width} = this.box.getBoundingClientRect();
		const inner = width - this.margin;
		const back = Math.round((1 - (event.clientX - left - this.margin) / inner) * (this.shown - 1));
		moveCross(back >= 0 && back < this.count ? back : null);
	}

	key(event) {
		const steps = {ArrowLeft: 1, ArrowRight: -1, PageUp: 15, PageDown: -15};
		if (event.key === 'Escape') {
			moveCross(null);
		} else if (event.key === 'Home' || event.key === 'End') {
			moveCross(event.key === 'Home' ? this.count - 1 : 0);
		} else if (event.key in steps) {
			const from = chartCross.back === null ? (steps[event.key] > 0 ? -1 : this.count) : chartCross.back;
			moveCross(Math.min(Math.max(from + steps[event.key], 0), this.count - 1));
		} else {
			return;
		}
		event.preventDefault();
	}

	x(i) {
		return this.margin + (1 - (this.count - 1 - i) / (this.shown - 1)) * (this.width - this.margin);
	}

	scale() {
		let max = 0, min = Infinity;
		for (let i = 0; i < this.count; i++) {
			let sum = 0;
			for (const s of this.series) {
				const value = s.value(i);
				if (value === null)
					continue;
				sum += s.over ? 0 : value;
				max = Math.max(max, value);
				min = Math.min(min, value);
			}
			if (this.options.stacked)
				max = Math.max(max, sum);
		}
		const height = this.height - 20, top = 6;
		if (this.options.stacked) {
			max = Math.max(max * 1.05, this.options.least);
			return {ticks: linearTicks(max), y: v => top + (1 - v / max) * (height - top)};
		}
		const low = Math.floor(Math.log10(Math.min(min, this.options.least)));
		const high = Math.ceil(Math.log10(Math.max(max, this.options.most) * 1.02));
		const ticks = [];
		for (let power = low; power <= high; power++)
			ticks.push(10 ** power);
		return {ticks, y: v => top + (1 - (Math.log10(Math.max(v, 10 ** low)) - low) / (high - low)) * (height - top)};
	}

	draw() {
		this.width = this.box.clientWidth;
		this.height = this.box.clientHeight;
		this.margin = 52;
		if (this.width === 0)
			return;
		const svg = svgElement('svg', {viewBox: `0 0 ${this.width} ${this.height}`, 'aria-hidden': 'true'});
		const {ticks, y} = this.scale();
		for (const tick of ticks) {
			svg.append(svgElement('line', {x1: this.margin, x2: this.width, y1: y(tick), y2: y(tick), class: 'grid'}));
			svg.append(svgText(this.margin - 8, y(tick) + 4, 'end', this.options.format(tick)));
		}
		this.drawTime(svg);
		if (this.options.stacked)
			this.drawAreas(svg, y);
		for (const s of this.series) {
			if (!this.options.stacked || s.over)
				this.drawLine(svg, s, y);
		}
		if (this.count === 0)
			svg.append(svgText(this.margin + (this.width - this.margin) / 2, this.height / 2, 'middle', 'the first figures come in a moment', 'empty'));
		this.cross = svgElement('line', {y1: 6, y2: this.height - 20, class: 'cross', visibility: 'hidden'});
		svg.append(this.cross);
		fill(this.box, svg);
		this.showCross();
	}

	drawTime(svg) {
		const base = this.height - 20, seconds = (this.shown - 1) * this.stepMs / 1000;
		svg.append(svgElement('line', {x1: this.margin, x2: this.width, y1: base, y2: base, class: 'axis'}));
		const step = seconds > 400 ? 120 : seconds > 200 ? 60 : 30;
		for (let ago = 0; ago <= seconds + 1; ago += step) {
			const at = this.width - ago / seconds * (this.width - this.margin);
			const anchor = ago === 0 ? 'end' : at < this.margin + 20 ? 'start' : 'middle';
			svg.append(svgText(at, this.height - 4, anchor, ago === 0 ? 'now' : '−' + (ago < 60 ? ago + ' s' : digits(ago / 60) + ' min')));
		}
	}

	drawAreas(svg, y) {
		const floor = new Array(this.count).fill(0);
		for (const s of this.series.filter(one => !one.over)) {
			const top = floor.map((value, i) => value + (s.value(i) || 0));
			let path = '';
			for (let i = 0; i < this.count; i++)
				path += `${i ? 'L' : 'M'}${this.x(i).toFixed(1)} ${y(top[i]).toFixed(1)}`;
			for (let i = this.count - 1; i >= 0; i--)
				path += `L${this.x(i).toFixed(1)} ${y(floor[i]).toFixed(1)}`;
			if (this.count > 0)
				svg.append(svgElement('path', {d: path + 'Z', style: `fill: var(${s.color})`, 'fill-opacity': '.85'}));
			top.forEach((value, i) => { floor[i] = value; });
		}
	}

	/** A gap where there is no value. A value between two gaps is a dot. */
	drawLine(svg, s, y) {
		let path = '', open = false;
		for (let i = 0; i < this.count; i++) {
			const value = s.value(i);
			if (value === null) {
				open = false;
				continue;
			}
			path += `${open ? 'L' : 'M'}${this.x(i).toFixed(1)} ${y(value).toFixed(1)}`;
			if (!open && (i + 1 === this.count || s.value(i + 1) === null))
				path += 'h.1';
			open = true;
		}
		svg.append(svgElement('path', {d: path, fill: 'none', style: `stroke: var(${s.color})`, 'stroke-linecap': 'round',
			'stroke-linejoin': 'round', 'stroke-width': s.thin ? 1 : 1.8, 'stroke-opacity': s.thin ? .55 : 1}));
	}

	showCross() {
		const back = chartCross.back !== null && chartCross.back < this.count ? chartCross.back : null;
		const i = this.count - 1 - (back || 0);
		if (back !== null) {
			this.cross.setAttribute('x1', this.x(i));
			this.cross.setAttribute('x2', this.x(i));
		}
		this.cross.setAttribute('visibility', back === null ? 'hidden' : 'visible');
		this.at.textContent = back === null ? '' : back === 0 ? 'now' : long(back * this.stepMs / 1000) + ' ago';
		const rows = this.series.filter(s => !s.thin).map(s => {
			const value = this.count > 0 ? s.value(i) : null;
			const text = s.text && this.count > 0 ? s.text(i) : value === null ? '–' : this.options.format(value);
			return [s, text];
		});
		fill(this.legend, ...rows.map(([s, text]) =>
			element('li', {}, element('i', {style: `--c: var(${s.color})`}), s.name, element('b', {}, text))));
		this.box.setAttribute('aria-label', this.label + (back ? ', ' + this.at.textContent : ', now') + ': ' +
			(rows.map(([s, text]) => s.name + ' ' + text).join(', ') || 'no figures yet') + '. Arrow keys go back in time.');
	}
}

function moveCross(back) {
	if (back === chartCross.back)
		return;
	chartCross.back = back;
	charts.forEach(chart => chart.showCross());
}
