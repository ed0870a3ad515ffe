// Sends the requests of the buttons, and shows the responses. What comes from a response is text, never markup.
"use strict";

const SHOWN = ["allow", "location", "content-type", "content-encoding", "content-length", "content-range", "etag",
  "retry-after", "ratelimit", "www-authenticate"];

const make = (name, text = "", kind = "") => Object.assign(document.createElement(name), { textContent: text, className: kind });
const output = element => element.closest("article, form").querySelector("output");
const milliseconds = since => `${(performance.now() - since).toFixed(1)} ms`;
const parts = line => line.trim().split(/\s+/, 2);

// A request is never answered by the browser's own cache.
const send = ([method, path], options = {}) => fetch(path, { method, cache: "no-store", ...options });

function statusLine(status, text, time, note = "") {
  const line = make("div");
  line.append(make("b", `${status} ${text}`, status < 400 ? "" : "bad"), ` ${time} ${note}`);
  return line;
}

async function show(out, response, since, only) {
  const time = milliseconds(since);
  let text = await response.text();
  if (only) text = text.split("\n").filter(line => line.includes(only)).join("\n");
  const note = response.redirected ? `after 303 to ${new URL(response.url).pathname}` : "";
  const heads = SHOWN.filter(name => response.headers.has(name)).map(name => make("div", `${name}: ${response.headers.get(name)}`, "head"));
  out.replaceChildren(statusLine(response.status, response.statusText, time, note), ...heads, make("pre", text));
  out.scrollTop = 0;
}

async function click(button) {
  const { headers, size, again, only } = button.dataset;
  const request = parts(button.dataset.send);
  const options = { headers: Object.fromEntries(headers ? [headers.split(/: (.*)/, 2)] : []) };
  if (size) options.body = new Uint8Array(+size);
  if (again) options.headers["If-None-Match"] = (await send(request)).headers.get(again);
  const since = performance.now();
  await show(output(button), await send(request, options), since, only);
}

const actions = {
  // Two slow requests and ten quick ones, with a bar for the time of each.
  async race(button) {
    const since = performance.now();
    const lanes = Array.from({ length: 12 }, (_, i) => {
      const path = i % 6 ? "/hello" : "/slow";
      const [lane, box, bar, time] = [make("div", "", "lane"), make("span"), make("i", "", i % 6 ? "" : "bad"), make("span")];
      box.append(bar);
      lane.append(make("span", path), box, time);
      return { path, lane, bar, time };
    });
    output(button).replaceChildren(...lanes.map(({ lane }) => lane));
    let running = lanes.length;
    const draw = () => {
      const share = Math.min(100, (performance.now() - since) / 11);
      for (const lane of lanes) if (!lane.time.textContent) lane.bar.style.width = `${share}%`;
      if (running) requestAnimationFrame(draw);
    };
    draw();
    await Promise.all(lanes.map(async lane => {
      await (await send(["GET", lane.path])).text();
      lane.time.textContent = milliseconds(since);
      lane.bar.style.width = `${Math.min(100, (performance.now() - since) / 11)}%`;
      running -= 1;
    }));
  },

  // A stream, shown as it arrives.
  async stream(button) {
    const stop = button.parentElement.querySelector(".stop");
    const controller = new AbortController();
    stop.onclick = () => controller.abort();
    [button.disabled, stop.disabled] = [true, false];
    const [out, text, since] = [output(button), make("pre"), performance.now()];
    out.replaceChildren(text);
    try {
      const response = await send(["GET", "/stream"], { signal: controller.signal });
      out.replaceChildren(statusLine(response.status, response.statusText, milliseconds(since), "until it began"), text);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part; !(part = await reader.read()).done;) {
        text.append(`${milliseconds(since).padStart(10)}  ${part.value.trim()}\n`);
        out.scrollTop = out.scrollHeight;
      }
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      text.append("Stopped.");
      out.scrollTop = out.scrollHeight;
    } finally {
      [button.disabled, stop.disabled] = [false, true];
    }
  },

  // A form with a file that is made here. Its name is a path, and what the server makes of it is not.
  async letter(button) {
    const form = new FormData();
    form.append("subject", button.parentElement.querySelector("input").value);
    form.append("attachment", new File([button.dataset.content], button.dataset.name));
    const since = performance.now();
    await show(output(button), await send(["POST", "/letter"], { body: form }), since);
  },

  // What comes of it is shown by `listen`.
  async tell(button) {
    const response = await send(["POST", "/news"], { body: button.parentElement.querySelector("input").value });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  },

  // The same by a socket, which is opened again if it was left.
  async echo(button) {
    await room.open();
    await room.send(button.parentElement.querySelector("input").value);
  },
  leave: () => room.leave(),
  async flood() {
    await room.open();
    const since = performance.now();
    await Promise.all(Array.from({ length: 100 }, (_, i) => room.send(`message ${i + 1}`, false)));
    room.add(`100 messages came back within ${milliseconds(since)}`);
  },

  upload: button => upload(output(button), new Uint8Array(+button.dataset.size)),

  // More requests than the limit allows.
  async burst(button) {
    const [out, lines] = [output(button), make("pre")];
    out.replaceChildren(lines);
    for (let i = 1; i <= 7; i++) {
      const since = performance.now();
      const response = await send(["GET", "/limited"]);
      const line = statusLine(response.status, response.statusText, milliseconds(since));
      const after = response.headers.get("retry-after");
      line.append(after ? `Retry-After: ${after} s` : `RateLimit: ${response.headers.get("ratelimit")}`);
      lines.append(line);
    }
  },
};

// By XMLHttpRequest, because fetch tells nothing of how far it has come.
function upload(out, body) {
  const [request, bar, since] = [new XMLHttpRequest(), make("progress"), performance.now()];
  out.replaceChildren(bar);
  request.upload.onprogress = event => { bar.value = event.loaded / event.total; };
  return new Promise((resolve, reject) => {
    request.onload = () => {
      bar.value = 1;
      out.append(statusLine(request.status, request.statusText, milliseconds(since)), make("pre", request.responseText));
      resolve();
    };
    request.onerror = () => reject(new Error("the connection was closed"));
    request.open("POST", "/upload");
    request.send(body);
  });
}

// Lines of a conversation, of which the latest stay, below a state that says how it stands.
function conversation(out) {
  const [state, lines] = [make("div", "", "state"), make("pre")];
  const attach = () => { if (!lines.isConnected) out.replaceChildren(state, lines); };
  return {
    stands(text, isBad = false) {
      attach();
      state.replaceChildren(make("b", text, isBad ? "bad" : ""));
    },
    add(text) {
      attach();
      lines.append(make("span", `${new Date().toLocaleTimeString()}  ${text}\n`));
      if (lines.childElementCount > 200) lines.firstChild.remove();
      out.scrollTop = out.scrollHeight;
    },
  };
}

// A browser that has lost the connection comes back by itself, and names the last message that it has seen.
function listen() {
  const { stands, add } = conversation(document.querySelector("#topics output"));
  const news = new EventSource("/news");
  news.onopen = () => stands("Listening");
  news.onerror = () => stands("Disconnected: the browser tries again", true);
  news.onmessage = ({ data }) => add(data);
  news.addEventListener("gap", () => add("(Something is missing: the server has started again.)"));
}

// A socket in the room. What it sends comes back in order, so the first who waits is the one it comes back for.
const room = {
  ...conversation(document.querySelector("#sockets output")),
  waiting: [],
  open() {
    return this.opening ??= new Promise((resolve, reject) => {
      const socket = this.socket = new WebSocket(`ws${location.protocol.slice(4)}//${location.host}/room`);
      socket.onopen = () => { this.stands("Open"); resolve(); };
      socket.onmessage = ({ data }) => data.startsWith("Here: ") ? this.add(data) : this.waiting.shift()?.(data);
      socket.onclose = ({ code, reason }) => {
        reject(new Error("the socket was closed"));
        if (this.socket !== socket) return;
        [this.opening, this.waiting] = [null, []];
        this.stands(`Closed: ${code} ${reason}`, code !== 1000);
        if (code !== 1000) setTimeout(() => this.open().catch(() => {}), 1000);
      };
    });
  },
  send(text, isShown = true) {
    const since = performance.now();
    this.socket.send(text);
    return new Promise(resolve => this.waiting.push(data => {
      if (isShown) this.add(`${data} (came back within ${milliseconds(since)})`);
      resolve();
    }));
  },
  leave() {
    this.opening = null;
    this.socket.close(1000);
  },
};

async function run(out, action) {
  out.setAttribute("aria-busy", "true");
  try {
    await action();
  } catch (error) {
    out.replaceChildren(make("b", error.message, "bad"));
  } finally {
    out.removeAttribute("aria-busy");
  }
}

document.addEventListener("click", ({ target }) => {
  if (target.dataset.send) run(output(target), () => click(target));
  else if (target.dataset.do) run(output(target), () => actions[target.dataset.do](target));
  else if (target.dataset.trail) {
    request.value = target.dataset.trail;
    explain();
  }
});
document.addEventListener("keydown", ({ key, target }) => {
  if (key === "Enter" && target.matches("article .row > input")) target.parentElement.querySelector("button").click();
});
document.querySelector("[type=file]").addEventListener("change", ({ target }) => {
  if (target.files[0]) run(output(target), () => upload(output(target), target.files[0]));
});

// The trail of the request in the box.
const [request, crumbs] = [document.querySelector("#request"), document.querySelector("#crumbs")];
let latest = 0;

async function explain() {
  const number = ++latest;
  const text = await (await send(["GET", `/explain?request=${encodeURIComponent(request.value)}`])).text();
  if (number !== latest) return;
  const kinds = { "→": "to", "✗": "no" };
  const lines = text.trimEnd().split("\n");
  crumbs.replaceChildren(...lines.map((line, i) =>
    make("span", line + "\n", kinds[line.trim()[0]] ?? (i + 1 === lines.length ? "end" : ""))));
}

request.addEventListener("input", explain);
document.querySelector("#trail").addEventListener("submit", event => {
  event.preventDefault();
  const [first, second] = parts(request.value);
  const since = performance.now();
  run(output(request), async () => show(output(request), await send(second ? [first, second] : ["GET", first]), since));
});
explain();
listen();
room.open().catch(() => {});
