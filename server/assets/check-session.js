// The frame that a service's page asks whether the person is still logged in (OIDC Session Management 1.0
// §3.2). It sends nothing anywhere but the one word to the page that asked.
"use strict";

const COOKIE = "__Host-browser-state=";

function browserState() {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(COOKIE));
  return found?.slice(COOKIE.length);
}

function base64url(octets) {
  const text = btoa(String.fromCharCode(...new Uint8Array(octets)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function judged(message, origin) {
  const parts = typeof message === "string" ? message.split(" ") : [];
  const [clientId, sessionState] = parts;
  const salt = sessionState === undefined ? undefined : sessionState.split(".")[1];
  if (parts.length !== 2 || clientId === "" || !salt) {
    return "error";
  }
  const state = browserState();
  if (state === undefined) {
    // This browser keeps cookies from frames: nobody can tell.
    return "error";
  }
  const input = new TextEncoder().encode(`${clientId} ${origin} ${state} ${salt}`);
  const hash = await crypto.subtle.digest("SHA-256", input);
  return `${base64url(hash)}.${salt}` === sessionState ? "unchanged" : "changed";
}

addEventListener("message", async (event) => {
  if (event.source === null || event.origin === "null") {
    return;
  }
  const answer = await judged(event.data, event.origin);
  event.source.postMessage(answer, event.origin);
});
