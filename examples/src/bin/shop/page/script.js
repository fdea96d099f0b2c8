// Shows what only works with this script.
document.documentElement.dataset.script = "on";

const at = (id) => document.getElementById(id);
const make = (tag, name, text = "") => {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
};

// Responses: one row for each request, the newest on top.
const KEPT = 12;
const tally = { created: 0, refused: 0, failed: 0 };

function attempt(user, item) {
  const row = document.createElement("li");
  const badge = make("span", "badge", "under way…");
  const what = make("span", "what", `${user}: ${item}`);
  const time = make("span", "time");
  row.append(badge, what, time);
  at("attempts").prepend(row);
  at("no-attempts").hidden = true;
  while (at("attempts").children.length > KEPT) at("attempts").lastElementChild.remove();
  const start = performance.now();
  return (outcome, title, detail) => {
    row.dataset.outcome = outcome;
    badge.textContent = title;
    what.textContent = `${user}: ${item} · ${detail}`;
    time.textContent = `${Math.round(performance.now() - start)} ms`;
    tally[outcome] += 1;
    at("tally").textContent = ["created", "refused", "failed"].filter((key) => tally[key]).map((key) => `${tally[key]} ${key}`).join(", ");
    at("news").textContent = `${title}: ${user}, ${detail}`;
  };
}

async function send(user, item) {
  const done = attempt(user, item);
  setTimeout(() => { showNodes(); showLocks(); }, 150);
  try {
    const response = await fetch("/orders", {
      method: "POST",
      headers: { "content-type": "application/json", "x-user-id": user },
      body: JSON.stringify({ item }),
    });
    const answer = await response.json().catch(() => ({}));
    if (response.status === 201) {
      done("created", "201 created", `order ${answer.id}` + (answer.token ? `, token ${answer.token}` : ""));
      refreshOrders();
      return;
    }
    const seconds = response.headers.get("retry-after");
    const retry = seconds ? `, retry after ${seconds}\u00a0s` : "";
    if (response.status === 409) {
      done("refused", "409 refused", `one is under way${retry}`);
    } else if (answer.type?.endsWith(":no-quorum")) {
      done("failed", "503 failed", `no quorum, so it did not run${retry}`);
    } else {
      done("failed", `${response.status} failed`, answer.detail || answer.title || "no reason was given");
    }
  } catch {
    done("failed", "no answer", "the shop cannot be reached");
  }
}

const customer = () => at("user").value.trim();
const item = () => at("item").value.trim();
at("order").addEventListener("submit", (event) => { event.preventDefault(); send(customer(), item()); });
at("double").addEventListener("click", () => {
  if (!at("order").reportValidity()) return;
  send(customer(), item());
  send(customer(), item());
});
at("two").addEventListener("click", () => {
  if (!at("order").reportValidity()) return;
  send(customer(), item());
  send(customer() === "bob" ? "ada" : "bob", item());
});

// Orders: the newest few. Rows are kept by their number, so that a focused button stays focused.
const SHOWN = 8;
const rows = new Map();

function orderRow(order) {
  const row = document.createElement("li");
  const wanted = order.details && typeof order.details === "object" ? order.details.item : order.details;
  const action = make("button", "small", "Invoice");
  action.type = "button";
  action.setAttribute("aria-label", `Write the invoice of order ${order.id}`);
  action.addEventListener("click", async () => {
    // Twice at once here too: the attribute makes the second wait, and it finds the invoice written.
    const ask = () => fetch(`/orders/${order.id}/invoice`, { method: "POST" });
    const answers = await Promise.all([ask(), ask()]).catch(() => []);
    at("news").textContent = answers.length && answers.every((answer) => answer.ok) ? `invoice of order ${order.id} written` : "the invoice was not written";
    refreshOrders();
  });
  row.append(make("span", "number", `#${order.id}`), make("span", "what", `${wanted ?? "something"} for ${order.user}`), action);
  return { row, action };
}

async function refreshOrders() {
  let orders;
  try {
    orders = await (await fetch("/orders")).json();
  } catch {
    return;
  }
  const shown = orders.slice(0, SHOWN);
  const known = new Set(shown.map((order) => order.id));
  for (const [id, { row }] of rows) if (!known.has(id)) { row.remove(); rows.delete(id); }
  for (const order of shown.reverse()) {
    if (!rows.has(order.id)) {
      const fresh = orderRow(order);
      rows.set(order.id, fresh);
      at("orders").prepend(fresh.row);
    }
    const { row, action } = rows.get(order.id);
    if (order.invoice && action.isConnected) {
      action.replaceWith(make("span", "time", `invoice ${order.invoice}`));
      row.dataset.invoiced = "";
    }
  }
  at("no-orders").hidden = orders.length > 0;
  at("count").textContent = orders.length > SHOWN ? `the newest ${SHOWN} of ${orders.length}` : orders.length ? `${orders.length} so far` : "";
}

// Nodes: asked once a second while the page is seen.
const WORDS = { quarantined: "restarted" };

function nodeRow(index, embedded) {
  const row = document.createElement("li");
  row.append(make("span", "badge"), make("span", "what"), make("span", "time"));
  if (embedded) {
    const actions = make("span", "actions");
    const button = (verb) => {
      const action = make("button", "small");
      action.type = "button";
      action.addEventListener("click", async () => {
        await fetch(`/nodes/${index}/${verb(row)}`, { method: "POST" }).catch(() => {});
        showNodes();
      });
      actions.append(action);
      return action;
    };
    button((row) => row.dataset.state === "down" ? "start" : "stop").dataset.verb = "switch";
    button(() => "hang").dataset.verb = "hang";
    button(() => "cut").dataset.verb = "cut";
    button(() => "restart").dataset.verb = "restart";
    row.append(actions);
  }
  row.append(make("span", "votes"));
  row.append(make("span", "cause"));
  at("nodes").append(row);
  return row;
}

function alarm(text) {
  if (at("alarm").textContent !== text) at("alarm").textContent = text;
  at("alarm").hidden = !text;
}

async function showNodes() {
  let seen;
  try {
    const response = await fetch("/nodes");
    if (!response.ok) throw new Error();
    seen = await response.json();
  } catch {
    at("quorum").textContent = "not reached";
    alarm("The shop cannot be reached. Is it still running in the terminal?");
    return;
  }
  seen.nodes.forEach((node, index) => {
    const row = at("nodes").children[index] ?? nodeRow(index, seen.embedded);
    row.dataset.state = node.state;
    row.querySelector(".badge").textContent = WORDS[node.state] ?? node.state;
    row.querySelector(".what").textContent = node.name;
    row.querySelector(".time").textContent = node.latency_ms == null ? "" : `${node.latency_ms.toFixed(node.latency_ms < 10 ? 2 : 0)} ms`;
    row.querySelector(".cause").textContent = node.cause ?? "";
    row.querySelector(".cause").hidden = !node.cause;
    const records = node.records ? `, ${node.records} recorded response${node.records > 1 ? "s" : ""}` : "";
    const holds = node.holds ? `holds the lock of ${node.holds.join(", ")}` : "holds no order's lock";
    const isDown = node.state === "down";
    row.querySelector(".votes").textContent = seen.embedded && !isDown ? holds + records : "";
    row.querySelector(".votes").dataset.holds = node.holds ? "yes" : "no";
    for (const action of row.querySelectorAll("button")) {
      const verb = { switch: isDown ? "Start" : "Stop", hang: "Hang", cut: "Cut off", restart: "Restart empty" }[action.dataset.verb];
      action.textContent = verb;
      action.setAttribute("aria-label", `${verb}: ${node.name}`);
      action.hidden = isDown && action.dataset.verb !== "switch";
    }
  });
  const up = seen.nodes.filter((node) => node.state === "up").length;
  at("quorum").textContent = `${up} of ${seen.nodes.length} up, ${seen.quorum} needed`;
  alarm(up < seen.quorum ? "No quorum: orders are answered with 503, and none runs without the lock." : "");
  at("nodes-hint").textContent = seen.embedded
    ? "These nodes live inside the process. Stop one, hang it or cut it off, and order: nothing changes. Stop two, and orders are refused rather than run unguarded. One that restarts empty may have forgotten locks, so its votes do not count for a while."
    : "These are real Redis nodes. Stop one and order: nothing changes. Stop a majority, and orders are refused rather than run unguarded.";
}

// Locks: holder, token, waiters, and the rest of a lease or of a window.
function lockRow(lock) {
  const row = document.createElement("li");
  const left = `${(lock.remaining_ms / 1000).toFixed(1)}\u00a0s left`;
  const waiting = lock.waiting ? `, ${lock.waiting} waiting` : "";
  const state = lock.cool_down ? "in its cool-down" : `held by ${lock.holder ?? "the shop"}`;
  row.append(make("span", "what", shortened(lock.key)), make("span", "time", left), make("span", "details", `${state}, token ${lock.token}${waiting}`));
  row.dataset.waiting = lock.waiting;
  return row;
}

async function showLocks() {
  const locks = await fetch("/locks").then((response) => response.ok ? response.json() : null).catch(() => null);
  at("no-locks").dataset.known = locks ? "yes" : "no";
  at("no-locks").textContent = locks ? "None is held." : "Not known: no majority of the nodes answers.";
  at("locks").replaceChildren(...(locks ?? []).map(lockRow));
  at("no-locks").hidden = locks?.length > 0;
}

// The key of a form has its token and a fingerprint in it.
const shortened = (key) => key.length > 48 ? `${key.slice(0, 47)}…` : key;

// Timeline: live by server-sent events, which the browser connects again by itself; asked for once a second while they do not come.
const ENTRIES = 100;
let newest = 0;

function showEntry(entry) {
  if (entry.id <= newest) return;
  newest = entry.id;
  const row = document.createElement("li");
  row.dataset.kind = entry.kind;
  const time = new Date(entry.id).toLocaleTimeString([], { hour12: false });
  row.append(make("span", "badge", entry.kind), make("span", "what", `${shortened(entry.subject)}: ${entry.text}`), make("span", "time", time));
  at("timeline").prepend(row);
  at("no-entries").hidden = true;
  while (at("timeline").children.length > ENTRIES) at("timeline").lastElementChild.remove();
}

const live = new EventSource("/timeline/live");
live.addEventListener("open", () => { at("stream").textContent = "live"; });
live.addEventListener("error", () => { at("stream").textContent = "connecting again…"; });
live.addEventListener("message", (event) => showEntry(JSON.parse(event.data)));

async function showTimeline() {
  if (live.readyState === EventSource.OPEN) return;
  const entries = await fetch("/timeline").then((response) => response.json()).catch(() => []);
  entries.forEach(showEntry);
}

// A holder that stops. The buttons stay enabled: the lock refuses a second clerk 1.
async function stopHolder(how) {
  at("outcome").textContent = "Clerk 2 waits for the lock: see the timeline…";
  const response = await fetch(`/stock/${how}`, { method: "POST" }).catch(() => null);
  const answer = response ? await response.json().catch(() => ({})) : { detail: "the shop cannot be reached" };
  at("outcome").textContent = !response?.ok ? `Nothing was done: ${answer.detail}.`
    : how === "crash" ? `Clerk 2 got the lock with token ${answer.second_token} when the ttl was over.`
    : `The late write with token ${answer.first_token} was ${answer.late_write_accepted ? "accepted" : "refused"}, since the store had seen ${answer.second_token}.`;
}
at("pause").addEventListener("click", () => stopHolder("pause"));
at("crash").addEventListener("click", () => stopHolder("crash"));

// While an order or a clerk is under way, locks and votes are shown as they come.
async function watch() {
  if (!document.hidden) await Promise.all([showNodes(), refreshOrders(), showLocks(), showTimeline()]);
  const busy = document.querySelector("#attempts li:not([data-outcome])");
  setTimeout(watch, busy ? 100 : 1000);
}
watch();
