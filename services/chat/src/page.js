'use strict';

const element = id => document.getElementById(id);
const seen = new Set();
let name = null;

/** Shows a message once, whether it comes with the history or by itself. */
function show(id, said) {
  if (seen.has(id)) return;
  seen.add(id);
  const item = document.createElement('li');
  const who = document.createElement('b');
  who.textContent = said.name;
  item.append(who, ' ', said.text);
  element('messages').append(item);
  item.scrollIntoView();
}

/** A source of events that comes back even if it was refused. The browser sends the last id that it has seen. */
function open(path, listeners) {
  const source = new EventSource(path);
  for (const [event, listener] of Object.entries(listeners)) source.addEventListener(event, listener);
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(open, 1000, path, listeners);
  });
}

open('/messages', {
  open: () => element('state').textContent = 'Connected',
  error: () => element('state').textContent = 'Connecting',
  message: event => show(event.lastEventId, JSON.parse(event.data)),
  history: event => JSON.parse(event.data).forEach(([id, said]) => show(id, JSON.parse(said))),
  engine: event => element('state').textContent = event.data === 'here' ? 'Connected' : 'Messages are delayed',
});

open('/replicas', {
  message: event => element('replicas').replaceChildren(...Object.entries(JSON.parse(event.data)).map(([name, replica]) => {
    const row = document.createElement('tr');
    for (const value of [name, replica.clients, replica.sent]) row.insertCell().textContent = value;
    return row;
  })),
});

/** Sends a request until it is answered. What is sent again has the same token, so it is said once. */
async function send(method, path, value) {
  for (;;) {
    const response = await fetch(path, {
      method, body: JSON.stringify(value), headers: {'Content-Type': 'application/json'},
    }).catch(() => null);
    if (response && response.status < 500) return response;
    await new Promise(later => setTimeout(later, 500));
  }
}

/** A socket that tells who is writing. It takes those who have a name, and comes back by itself. */
let moments = null;
const writers = new Map();

function openMoments() {
  moments?.close(1000);
  const socket = moments = new WebSocket(location.origin.replace(/^http/, 'ws') + '/moments');
  socket.onmessage = event => {
    writers.set(event.data, Date.now());
    showWriters();
  };
  socket.onclose = () => { if (socket === moments) setTimeout(openMoments, 1000); };
}

/** Shows who else has written something in the last three seconds. */
function showWriters() {
  for (const [writer, since] of writers) if (Date.now() - since > 3000) writers.delete(writer);
  const others = [...writers.keys()].filter(writer => writer !== name);
  element('writing').textContent = others.length ? `Writing: ${others.join(', ')}` : '';
}
setInterval(showWriters, 1000);

let told = 0;
element('text').addEventListener('input', () => {
  if (moments?.readyState !== WebSocket.OPEN || Date.now() - told < 1000) return;
  told = Date.now();
  moments.send('');
});

document.querySelector('form').addEventListener('submit', async event => {
  event.preventDefault();
  const text = element('text').value;
  element('text').value = '';
  if (name !== element('name').value) {
    name = element('name').value;
    await send('PUT', '/name', name);
    openMoments();
  }
  const response = await send('POST', '/messages', {text, token: crypto.randomUUID()});
  if (!response.ok) element('state').textContent = (await response.json()).detail;
});
