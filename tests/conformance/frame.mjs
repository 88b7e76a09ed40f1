// Plays the scripts of a check_session_iframe as a browser's frame would, told by a JSON file, and prints
// what they answer to the one message of a page.

import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";

const { scripts, cookie, data, origin } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const listeners = [];
const addEventListener = (type, listener) => {
  if (type === "message") {
    listeners.push(listener);
  }
};
const frame = { document: { cookie }, crypto: webcrypto, TextEncoder, atob, btoa, addEventListener };
frame.window = frame.self = frame;
createContext(frame);
for (const script of scripts) {
  runInContext(script, frame);
}
const postMessage = (answer, target) => {
  // To any other origin a browser would deliver nothing.
  if (target === origin) {
    console.log(answer);
  }
};
for (const listener of listeners) {
  await listener({ data, origin, source: { postMessage } });
}
