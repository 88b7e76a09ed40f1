// Card login: the page's key, the portal's request, the agent's door, the submission.
//
// The agent is called on loopback or, where the browser has its extension, through that.
// Where the browser keeps scripts from loopback and the instance allows it, the request goes to the
// agent by top-level navigation instead, while the key waits in IndexedDB ("The second door" below).
//
// Nothing here is believed by the portal: it rebuilds everything from its own session. What this
// page does decide is whether the program behind the loopback door is the enrolled agent of this
// very terminal, before anybody is told to type a PIN.

const HEADER = { "Content-Type": "application/json", "x-card-login": "1" };
const PATHS = {
  begin: "/v1/card-login/begin",
  finish: "/v1/card-login/finish",
  cancel: "/v1/card-login/cancel",
};

const root = document.getElementById("card-login");
const statusLine = document.getElementById("login-status");
const errorBox = document.getElementById("login-error");
const errorText = document.getElementById("login-error-text");
const errorHelp = document.getElementById("login-error-help");
const codeBox = document.getElementById("login-code");
const codeDigits = document.getElementById("login-code-digits");
const button = document.getElementById("login-start");
const messages = document.getElementById("login-messages");

/** A refusal with words for the person. */
class Refusal extends Error {
  constructor(code, text, help) {
    super(code);
    this.code = code;
    this.text = text;
    this.help = help;
  }
}

const encoder = new TextEncoder();

function base64url(octets) {
  let binary = "";
  for (const octet of new Uint8Array(octets)) binary += String.fromCharCode(octet);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function octetsOf(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

async function sha256(text) {
  return base64url(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
}

function say(key, values = {}) {
  const entry = messages.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!entry) return null;
  let text = entry.textContent;
  for (const [name, value] of Object.entries(values)) text = text.replaceAll(`[${name}]`, value);
  return text;
}

function show(key) {
  statusLine.textContent = say(key) ?? "";
}

function refusalOf(code, values = {}) {
  return new Refusal(code, say(`error-${code}`, values), say(`help-${code}`, values));
}

/** A day in the page's language; nothing for none. */
function dayOf(day) {
  const date = new Date(`${day}T00:00:00Z`);
  if (Number.isNaN(date.getTime())) return "";
  const style = { year: "numeric", month: "long", day: "numeric", timeZone: "UTC" };
  return date.toLocaleDateString(document.documentElement.lang, style);
}

/** One call of the portal; its refusals are problem details in the page's language. */
async function portal(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
      credentials: "same-origin",
      redirect: "error",
    });
  } catch {
    throw refusalOf("portal");
  }
  let answer = {};
  try {
    answer = await response.json();
  } catch {
    throw refusalOf("portal");
  }
  if (!response.ok) throw new Refusal(answer.code ?? "portal", answer.detail, answer.help);
  return answer;
}

/** One call of the agent's door on loopback: status and, where the answer has one, its body. */
async function overLoopback(call, body) {
  let response;
  try {
    response = await fetch(root.dataset.agent + PATHS[call], {
      method: "POST",
      headers: HEADER,
      body: JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
  } catch {
    throw refusalOf("agent-absent");
  }
  const { status } = response;
  try {
    return { status, answer: status === 204 ? {} : await response.json() };
  } catch {
    return { status };
  }
}

/** The calls that the browser's extension carries, by number. */
const carried = new Map();
let lastCall = 0;

/** The same through the browser's extension, where one serves this page. */
function throughExtension(call, body) {
  lastCall += 1;
  const id = lastCall;
  return new Promise((resolve, reject) => {
    carried.set(id, { resolve, reject });
    postMessage({ to: "card-login-agent", id, call, body }, location.origin);
  });
}

function fromExtension({ source, origin, data }) {
  if (source !== window || origin !== location.origin || data?.to !== "card-login-page") return;
  const waiting = data.gone ? [...carried.keys()] : [data.id];
  for (const id of waiting) {
    const call = carried.get(id);
    carried.delete(id);
    if (data.gone) call?.reject(refusalOf("agent-absent"));
    else call?.resolve({ status: data.status, answer: data.body ?? (data.status === 204 ? {} : undefined) });
  }
}

/** The way to the agent: by the extension where there is one, else over loopback. */
let way = document.documentElement.dataset.cardLogin === "extension" ? throughExtension : overLoopback;

/** One call of the agent. */
async function door(call, body) {
  const { status, answer } = await way(call, body);
  // The constant answer to a stranger: whoever listens does not take us for its portal.
  if (answer === undefined) throw refusalOf("agent-stranger");
  if (status < 200 || status > 299) {
    const error = answer.error ?? {};
    const code = String(error.code ?? "agent_failed").replaceAll("_", "-");
    const known = refusalOf(code, { tries: error.tries_left ?? "", day: dayOf(error.day) });
    throw known.text ? known : new Refusal(code, error.message, say("help-agent-failed"));
  }
  return answer;
}

/**
 * Whether the enrolled agent of this terminal answers, for this request and with this code: the
 * proof's claims, or null.
 */
async function proven(terminalProof, challenge) {
  const parts = String(terminalProof).split(".");
  if (parts.length !== 3) return null;
  try {
    const header = JSON.parse(new TextDecoder().decode(octetsOf(parts[0])));
    if (header.alg !== "ES256" || header.typ !== "terminal-proof+jwt") return null;
    const { kty, crv, x, y } = challenge.terminal_key;
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, algorithm, false, ["verify"]);
    const signed = encoder.encode(`${parts[0]}.${parts[1]}`);
    const genuine = await crypto.subtle.verify(
      { name: "ECDSA", hash: "SHA-256" }, key, octetsOf(parts[2]), signed);
    const claims = JSON.parse(new TextDecoder().decode(octetsOf(parts[1])));
    const holds = genuine
      && claims.request === await sha256(challenge.request)
      && claims.confirmation_code === challenge.confirmation_code;
    return holds ? claims : null;
  } catch {
    return null;
  }
}

/** The page's own key: its private half leaves neither this browser nor WebCrypto. */
async function newKey() {
  const keys = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
  const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", keys.publicKey);
  return { privateKey: keys.privateKey, jwk: { crv, kty, x, y } };
}

/** What a page asks for, which a login says and the linking of a card does not. */
const OF_LOGIN = ["returnTo", "level", "invitation"];

/** A request of the portal for this key. */
function newChallenge(key, navigation) {
  const body = { page_key: key.jwk, navigation };
  const { challenge, returnTo, level, invitation } = root.dataset;
  if (returnTo !== undefined) body.return_to = returnTo || null;
  if (level) body.level = level;
  if (invitation !== undefined) body.invitation = invitation === "true";
  return portal(challenge, body);
}

/** The page's proof: the key that began also submits. */
async function pageProof({ privateKey, jwk }, challenge, answer) {
  const header = { alg: "ES256", typ: "page-proof+jwt", jwk };
  const claims = {
    request: await sha256(challenge.request),
    answer: await sha256(answer),
    nonce: challenge.nonce,
  };
  const part = (value) => base64url(encoder.encode(JSON.stringify(value)));
  const input = `${part(header)}.${part(claims)}`;
  const signature = await crypto.subtle.sign(
    { name: "ECDSA", hash: "SHA-256" }, privateKey, encoder.encode(input));
  return `${input}.${base64url(signature)}`;
}

let running = null;

/** What the time of a login goes to while the agent is in a state. */
const PART_OF_STATE = { waiting_for_pin: "pin", signing: "sign", done: "sign" };

/** Milliseconds that the page waited for what: shown to the person afterwards, and bound to nothing. */
class Stopwatch {
  constructor() {
    this.times = { agent: 0, card: 0, pin: 0, sign: 0 };
    this.since = performance.now();
  }

  /** What has passed since the last turn went to this part. */
  turn(part) {
    const now = performance.now();
    this.times[part] += Math.round(now - this.since);
    this.since = now;
  }
}

/** How often an agent that does not know us is asked again, and after how many milliseconds: our key may be new to
 *  it, and then it asks its server who we are. */
const LEARNING = { tries: 4, pause: 1500 };

/** A request and the agent's answer to it. Another request each time: another process of the portal may sign it. */
async function openExchange(key) {
  for (let tries = 0; ; tries += 1) {
    const challenge = await newChallenge(key, false);
    try {
      return { challenge, opened: await firstCall({ request: challenge.request }) };
    } catch (error) {
      if (error.code !== "agent-stranger" || tries === LEARNING.tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, LEARNING.pause));
    }
  }
}

/** The first call. An extension without an agent behind it is none; there may be one on loopback. */
async function firstCall(body) {
  if (way === throughExtension) {
    try {
      return await door("begin", body);
    } catch (error) {
      if (error.code !== "agent-absent") throw error;
      way = overLoopback;
    }
  }
  try {
    return await door("begin", body);
  } catch (error) {
    // No page may read the agent's answer to a stranger, not even ours: it looks as if nobody had answered.
    if (error.code === "agent-absent" && await somebodyListens()) throw refusalOf("agent-stranger");
    throw error;
  }
}

/** Whether anything answers in the agent's place, whatever it says. */
async function somebodyListens() {
  try {
    await fetch(root.dataset.agent + PATHS.begin, {
      method: "POST", mode: "no-cors", credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer",
    });
    return true;
  } catch {
    return false;
  }
}

/** A login by script, from the beginning to the agent's answer. */
async function throughTheDoor(key) {
  const stopwatch = new Stopwatch();
  const { challenge, opened } = await openExchange(key);
  running = opened.exchange;
  const claims = await proven(opened.terminal_proof, challenge);
  if (claims?.exchange !== opened.exchange
    || opened.confirmation_code !== challenge.confirmation_code) throw refusalOf("agent-foreign");
  // Only now may the page speak of a PIN.
  showCode(challenge);
  stopwatch.turn("agent");
  let seen = null;
  let answer = null;
  while (answer === null) {
    const body = { exchange: opened.exchange };
    if (seen !== null) body.seen = seen;
    const reply = await door("finish", body);
    stopwatch.turn(PART_OF_STATE[seen] ?? "card");
    if (reply.state !== seen) show(`state-${String(reply.state).replaceAll("_", "-")}`);
    seen = reply.state;
    if (reply.state === "done") answer = String(reply.answer ?? "");
  }
  running = null;
  return { challenge, terminalProof: opened.terminal_proof, answer, times: stopwatch.times };
}

async function submit(key, { challenge, terminalProof, answer, times }) {
  show("state-verifying");
  const submission = {
    terminal_proof: terminalProof,
    answer,
    page_proof: await pageProof(key, challenge, answer),
  };
  const accepted = await portal(root.dataset.submit, times ? { ...submission, times } : submission);
  show("state-welcome");
  location.replace(accepted.redirect);
}

async function login() {
  begin();
  try {
    const key = await newKey();
    await submit(key, await throughTheDoor(key));
  } catch (error) {
    await giveUp();
    if (error instanceof Refusal && error.code === "agent-absent" && secondDoor) {
      const kept = await keptFromLoopback();
      if (kept === true) return leave();
      secondDoor.hidden = kept === false;
    }
    fail(error instanceof Refusal ? error : refusalOf("page"));
  }
}

function begin() {
  errorBox.hidden = true;
  codeBox.hidden = true;
  if (secondDoor) secondDoor.hidden = true;
  button.disabled = true;
  show("state-starting");
}

function showCode(challenge) {
  codeDigits.textContent = challenge.confirmation_code;
  codeBox.hidden = false;
}

function again() {
  button.disabled = false;
  button.textContent = button.dataset.again;
}

function fail(refusal) {
  root.dataset.failed = refusal.code;
  statusLine.textContent = "";
  codeBox.hidden = true;
  errorText.textContent = refusal.text ?? say("error-page");
  errorHelp.textContent = refusal.help ?? "";
  errorBox.hidden = false;
  again();
  button.focus();
}

/** Tells the agent that nobody waits any longer, so that its window closes. */
async function giveUp() {
  if (running === null) return;
  const body = { exchange: running };
  running = null;
  try {
    if (way === throughExtension) return void await way("cancel", body);
    await fetch(root.dataset.agent + PATHS.cancel, {
      method: "POST", headers: HEADER, body: JSON.stringify(body), credentials: "omit", keepalive: true,
    });
  } catch {
    // The agent is gone already: nothing is open.
  }
}

// The second door.
//
// The page leaves for the agent with the signed request and comes back as another page, by a post
// from another site that shows no cookie. What ties the two together is the key in IndexedDB, under
// the request's digest, used once.

const secondDoor = document.getElementById("login-navigate");
const returned = document.getElementById("login-returned");
const DATABASE = "card-login";
const PAGES = "pages";
/** In sessionStorage: this tab left for the agent and was not heard of since. */
const LEFT = "card-login-left";

/** Whether this browser keeps the page's script from loopback; null where it does not say. */
async function keptFromLoopback() {
  for (const name of ["loopback-network", "local-network-access"]) {
    try {
      return (await navigator.permissions.query({ name })).state !== "granted";
    } catch {
      // This browser does not know the permission by that name.
    }
  }
  return null;
}

/** One transaction over the waiting pages; resolves with what `work` asked for once it is durable. */
function pages(work) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(PAGES, { keyPath: "request" });
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(PAGES, "readwrite");
      const asked = work(transaction.objectStore(PAGES));
      transaction.oncomplete = () => { database.close(); resolve(asked.result); };
      transaction.onabort = () => { database.close(); reject(transaction.error); };
    };
  });
}

function keepWaiting(page) {
  return pages((store) => {
    // Keys of pages that nobody came back to end here at the latest.
    store.openCursor().onsuccess = ({ target: { result: cursor } }) => {
      if (!cursor) return;
      if (cursor.value.until < Date.now()) cursor.delete();
      cursor.continue();
    };
    return store.put(page);
  });
}

function takeWaiting(request) {
  return pages((store) => {
    const found = store.get(request);
    store.delete(request);
    return found;
  });
}

/** What this page asks for, to be taken up by the page that comes back. */
function askedFor() {
  const names = ["challenge", "submit", ...OF_LOGIN.filter((name) => name in root.dataset)];
  return Object.fromEntries(names.map((name) => [name, root.dataset[name]]));
}

/** Goes to the agent by navigation. The page stays in sight until the agent answers. */
async function leave() {
  begin();
  try {
    const key = await newKey();
    const challenge = await newChallenge(key, true);
    const request = await sha256(challenge.request);
    await keepWaiting({
      request,
      key,
      challenge,
      asked: askedFor(),
      until: Date.now() + challenge.expires_in_secs * 1000,
    });
    sessionStorage.setItem(LEFT, request);
    show("state-leaving");
    showCode(challenge);
    const form = secondDoor.querySelector("form");
    form.elements.request.value = challenge.request;
    form.submit();
    again();
  } catch (error) {
    fail(error instanceof Refusal ? error : refusalOf("page"));
  }
}

/** Goes on with what the agent's page brought. */
async function comeBack({ request, terminalProof, answer, error, triesLeft, day }) {
  begin();
  // A reload must not bring the same answer twice.
  history.replaceState(null, "", "/login");
  sessionStorage.removeItem(LEFT);
  try {
    const page = await takeWaiting(request);
    if (!page) throw refusalOf("not-begun-here");
    for (const name of OF_LOGIN) delete root.dataset[name];
    Object.assign(root.dataset, page.asked);
    if (error) {
      const known = refusalOf(error, { tries: triesLeft, day: dayOf(day) });
      throw known.text ? known : refusalOf("agent-failed");
    }
    if (!(await proven(terminalProof, page.challenge))) throw refusalOf("agent-foreign");
    await submit(page.key, { challenge: page.challenge, terminalProof, answer });
  } catch (error) {
    fail(error instanceof Refusal ? error : refusalOf("page"));
  }
}

/** The person went back from where the agent should have been. */
function noAnswer() {
  sessionStorage.removeItem(LEFT);
  secondDoor.hidden = false;
  fail(refusalOf("agent-no-answer"));
}

if (root) {
  // Without script the page offers no button, and does not speak of one: it would do nothing.
  button.hidden = false;
  document.getElementById("login-lead")?.removeAttribute("hidden");
  button.addEventListener("click", login);
  secondDoor?.querySelector("button").addEventListener("click", leave);
  addEventListener("message", fromExtension);
  addEventListener("pagehide", () => { void giveUp(); });
  addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
  if (returned) void comeBack(returned.dataset);
  else if (secondDoor && sessionStorage.getItem(LEFT)) noAnswer();
  else if (root.dataset.start === "auto") void login();
  else button.focus();
}
