// SPDX-License-Identifier: GPL-2.0-or-later
// A development server and its client: a cluster of two that serves a page over HTTP, echoes what comes
// over a WebSocket, and serves the page anew when its file changes.
'use strict';
const child_process = require('child_process');
const cluster = require('cluster');
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const threads = require('worker_threads');

const PORT = 8080, PAGE = 'page.txt';

function serve() {
	let page = fs.readFileSync(PAGE, 'utf8');
	fs.watch('.', (_, name) => {
		if (name === PAGE)
			page = fs.readFileSync(PAGE, 'utf8');
	});
	const server = http.createServer((_, response) => response.end(page));
	server.on('upgrade', (request, socket) => {
		const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
		const accept = crypto.createHash('sha1').update(key).digest('base64');
		socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
			     `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
		socket.once('data', (frame) => { // a short masked text
			const length = frame[1] & 127, mask = frame.subarray(2, 6);
			const text = Buffer.from(frame.subarray(6, 6 + length).map((byte, at) => byte ^ mask[at % 4]));
			const answer = Buffer.from(text.toString().toUpperCase());
			socket.write(Buffer.concat([Buffer.from([0x81, answer.length]), answer]));
		});
	});
	server.listen(PORT, '::');
}

function get(host) {
	return new Promise((resolve, reject) => {
		http.get({ host, port: PORT, agent: false }, (response) => {
			let text = '';
			response.on('data', (piece) => { text += piece; });
			response.on('end', () => resolve(text));
		}).on('error', reject);
	});
}

function say(text) {
	return new Promise((resolve, reject) => {
		const request = http.request({ host: '127.0.0.1', port: PORT, headers: {
			'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13',
			'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64') } });
		request.on('upgrade', (_, socket) => {
			const mask = crypto.randomBytes(4), payload = Buffer.from(text);
			socket.once('data', (frame) => {
				resolve(frame.subarray(2, 2 + frame[1]).toString());
				socket.destroy();
			});
			socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask,
						    Buffer.from(payload.map((byte, at) => byte ^ mask[at % 4]))]));
		});
		request.on('error', reject).end();
	});
}

// from a forked node, over its channel
function child() {
	return new Promise((resolve) => {
		const made = child_process.fork(__filename, ['child']);
		made.on('message', (answer) => { resolve(answer); made.disconnect(); });
		made.send(21);
	});
}

function thread() {
	return new Promise((resolve) => {
		new threads.Worker(__filename, { workerData: 21 }).on('message', resolve);
	});
}

async function main() {
	fs.writeFileSync(PAGE, 'one');
	const workers = [cluster.fork(), cluster.fork()];
	await Promise.all(workers.map((worker) => new Promise((ready) => worker.on('listening', ready))));
	console.log('page:', await get('127.0.0.1'));
	console.log('socket:', await say('hello'));
	console.log('child:', await child());
	console.log('thread:', await thread());
	fs.writeFileSync('next', 'two');
	fs.renameSync('next', PAGE);
	// of both workers
	for (let same = 0; same < 10;)
		same = await get('127.0.0.1') === 'two' ? same + 1 : 0;
	console.log('page after a change:', await get('localhost'));
	console.log('by ::1:', await get('::1'));
	for (const worker of workers)
		worker.process.kill();
}

if (!threads.isMainThread)
	threads.parentPort.postMessage(2 * threads.workerData);
else if (cluster.isWorker)
	serve();
else if (process.argv[2] === 'child')
	process.on('message', (number) => process.send(2 * number));
else
	main();
