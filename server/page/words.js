/* Numbers as people read them, and elements. */
'use strict';

const $ = id => document.getElementById(id);

function element(tag, properties, ...children) {
	const made = document.createElement(tag);
	for (const [name, value] of Object.entries(properties || {})) {
		if (value === null || value === undefined || value === false)
			continue;
		if (name in made && name !== 'style')
			made[name] = value;
		else
			made.setAttribute(name, value);
	}
	made.append(...children.filter(child => child !== null && child !== undefined));
	return made;
}

function fill(parent, ...children) {
	parent.replaceChildren(...children);
}

/** Three significant digits. */
function digits(value) {
	return value >= 100 ? String(Math.round(value)) : value >= 10 ? value.toFixed(1).replace(/\.0$/, '') :
		value >= 1 ? value.toFixed(2).replace(/\.?0+$/, '') : value === 0 ? '0' : value.toPrecision(2);
}

function duration(us) {
	if (us < 1000)
		return digits(us) + ' µs';
	if (us < 1e6)
		return digits(us / 1000) + ' ms';
	if (us < 60e6)
		return digits(us / 1e6) + ' s';
	return long(us / 1e6);
}

function long(seconds) {
	const s = Math.floor(seconds);
	if (s < 60)
		return s + ' s';
	if (s < 3600)
		return Math.floor(s / 60) + ' min' + (s < 600 && s % 60 ? ' ' + s % 60 + ' s' : '');
	if (s < 86400)
		return Math.floor(s / 3600) + ' h' + (Math.floor(s / 60) % 60 ? ' ' + Math.floor(s / 60) % 60 + ' min' : '');
	return Math.floor(s / 86400) + ' d' + (Math.floor(s / 3600) % 24 ? ' ' + Math.floor(s / 3600) % 24 + ' h' : '');
}

function count(value) {
	return value < 10000 ? String(value) : value < 1e6 ? digits(value / 1e3) + ' k' : value < 1e9 ? digits(value / 1e6) + ' M' :
		digits(value / 1e9) + ' G';
}

function rate(milli) {
	const value = milli / 1000;
	return value >= 10000 ? count(value) : value >= 10 ? String(Math.round(value)) : digits(value);
}

function size(bytes) {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let at = 0;
	while (bytes >= 1024 && at < units.length - 1) {
		bytes /= 1024;
		at++;
	}
	return digits(bytes) + ' ' + units[at];
}

function plural(number, one, many) {
	return number + ' ' + (number === 1 ? one : many || one + 's');
}

/* Shapes, so that no state is told by its colour alone. */
const SHAPES = {
	good: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm3.6 5.2-4.3 5a.8.8 0 0 1-1.2 0L4.3 9.4l1.2-1.1 1.2 1.3 3.7-4.4Z',
	warn: 'M8 1.2 15.3 14.4H.7ZM7.2 6v4.4h1.6V6Zm0 5.4V13h1.6v-1.6Z',
	bad: 'M5 1h6l4 4v6l-4 4H5l-4-4V5Zm-.2 5 2 2-2 2L6 11.200l2-2 2 2 1.200-1.200-2-2 2-2L10 4.800l-2 2-2-2Z',
	none: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.600a5.400 5.400 0 1 1 0 10.800A5.400 5.400 0 0 1 8 2.600Z',
};

function icon(tone) {
	const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
	const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
	svg.setAttribute('viewBox', '0 0 16 16');
	svg.setAttribute('aria-hidden', 'true');
	path.setAttribute('d', SHAPES[tone]);
	path.setAttribute('fill', 'currentColor');
	path.setAttribute('fill-rule', 'evenodd');
	svg.append(path);
	return svg;
}
