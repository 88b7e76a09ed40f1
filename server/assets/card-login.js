// Card login: the page's key, the portal's request, the agent's door, the submission.
//
// Nothing here is believed by the portal: it rebuilds everything from its own session. What this
// page does decide is whether the program behind the loopback door is the enrolled agent of this
// very terminal, before anybody is told to type a PIN.

const HEADER = { "Content-Type": "application/json", "x-card-login": "1" };
const BEGIN = "/v1/card-login/begin";
const FINISH = "/v1/card-login/finish";
const CANCEL = "/v1/card-login/cancel";

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

/** One call of the agent's door on loopback. */
async function door(path, body) {
  let response;
  try {
    response = await fetch(root.dataset.agent + path, {
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
  if (response.status === 204) return {};
  let answer;
  try {
    answer = await response.json();
  } catch {
    // The constant answer to a stranger: whoever listens does not take us for its portal.
    throw refusalOf("agent-stranger");
  }
  if (!response.ok) {
    const error = answer.error ?? {};
    const code = String(error.code ?? "agent_failed").replaceAll("_", "-");
    const known = refusalOf(code, { tries: error.tries_left ?? "" });
    throw known.text ? known : new Refusal(code, error.message, say("help-agent-failed"));
  }
  return answer;
}

/** Whether the enrolled agent of this terminal answers, for this request and with this code. */
async function proofHolds(opened, challenge) {
  const parts = String(opened.terminal_proof).split(".");
  if (parts.length !== 3) return false;
  try {
    const header = JSON.parse(new TextDecoder().decode(octetsOf(parts[0])));
    if (header.alg !== "ES256" || header.typ !== "terminal-proof+jwt") return false;
    const { kty, crv, x, y } = challenge.terminal_key;
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, algorithm, false, ["verify"]);
    const signed = encoder.encode(`${parts[0]}.${parts[1]}`);
    const genuine = await crypto.subtle.verify(
      { name: "ECDSA", hash: "SHA-256" }, key, octetsOf(parts[2]), signed);
    const claims = JSON.parse(new TextDecoder().decode(octetsOf(parts[1])));
    return genuine
      && claims.request === await sha256(challenge.request)
      && claims.exchange === opened.exchange
      && claims.confirmation_code === challenge.confirmation_code
      && opened.confirmation_code === challenge.confirmation_code;
  } catch {
    return false;
  }
}

/** The page's proof: the key that began also submits. */
async function pageProof(keys, jwk, challenge, answer) {
  const header = { alg: "ES256", typ: "page-proof+jwt", jwk };
  const claims = {
    request: await sha256(challenge.request),
    answer: await sha256(answer),
    nonce: challenge.nonce,
  };
  const part = (value) => base64url(encoder.encode(JSON.stringify(value)));
  const input = `${part(header)}.${part(claims)}`;
  const signature = await crypto.subtle.sign(
    { name: "ECDSA", hash: "SHA-256" }, keys.privateKey, encoder.encode(input));
  return `${input}.${base64url(signature)}`;
}

let running = null;

async function login() {
  errorBox.hidden = true;
  codeBox.hidden = true;
  button.disabled = true;
  show("state-starting");
  try {
    const keys = await crypto.subtle.generateKey(
      { name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
    const exported = await crypto.subtle.exportKey("jwk", keys.publicKey);
    const jwk = { crv: exported.crv, kty: exported.kty, x: exported.x, y: exported.y };
    const challenge = await portal("/login/challenge", {
      page_key: jwk,
      return_to: root.dataset.returnTo || null,
      invitation: root.dataset.invitation === "true",
    });
    const opened = await door(BEGIN, { request: challenge.request });
    running = opened.exchange;
    if (!(await proofHolds(opened, challenge))) throw refusalOf("agent-foreign");
    // Only now may the page speak of a PIN.
    codeDigits.textContent = challenge.confirmation_code;
    codeBox.hidden = false;
    let seen = null;
    let answer = null;
    while (answer === null) {
      const body = { exchange: opened.exchange };
      if (seen !== null) body.seen = seen;
      const reply = await door(FINISH, body);
      if (reply.state !== seen) show(`state-${String(reply.state).replaceAll("_", "-")}`);
      seen = reply.state;
      if (reply.state === "done") answer = String(reply.answer ?? "");
    }
    running = null;
    show("state-verifying");
    const accepted = await portal("/login/card", {
      terminal_proof: opened.terminal_proof,
      answer,
      page_proof: await pageProof(keys, jwk, challenge, answer),
    });
    show("state-welcome");
    location.replace(accepted.redirect);
  } catch (error) {
    await giveUp();
    fail(error instanceof Refusal ? error : refusalOf("page"));
  }
}

function fail(refusal) {
  root.dataset.failed = refusal.code;
  statusLine.textContent = "";
  codeBox.hidden = true;
  errorText.textContent = refusal.text ?? say("error-page");
  errorHelp.textContent = refusal.help ?? "";
  errorBox.hidden = false;
  button.disabled = false;
  button.textContent = button.dataset.again;
  button.focus();
}

/** Tells the agent that nobody waits any longer, so that its window closes. */
async function giveUp() {
  if (running === null) return;
  const body = JSON.stringify({ exchange: running });
  running = null;
  try {
    await fetch(root.dataset.agent + CANCEL, {
      method: "POST", headers: HEADER, body, credentials: "omit", keepalive: true,
    });
  } catch {
    // The agent is gone already: nothing is open.
  }
}

if (root) {
  button.addEventListener("click", login);
  addEventListener("pagehide", () => { void giveUp(); });
  if (root.dataset.start === "auto") void login();
  else button.focus();
}
