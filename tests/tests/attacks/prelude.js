const [door, request, done] = arguments;
const begin = `${door}/v1/card-login/begin`;
const navigate = `${door}/v1/card-login/navigate`;
const headers = { "Content-Type": "application/json", "x-card-login": "1" };
const body = JSON.stringify({ request });
const init = { method: "POST", headers, body };

/** What a fetch lets the page know. */
const heard = (promise) => promise.then(
  async (answer) => `${answer.type} ${answer.status} ${await answer.text()}`.trim(),
  () => "refused");

/** What an element lets the page know. */
const element = (name, attributes) => new Promise((resolve) => {
  const made = document.createElement(name);
  made.onload = () => resolve("loaded");
  made.onerror = () => resolve("refused");
  Object.assign(made, attributes);
  document.body.append(made);
});

/** What a frame lets the page know: a page of another origin, and nothing of it. */
const frame = (attributes) => new Promise((resolve) => {
  const made = document.createElement("iframe");
  made.onload = () => {
    let inside = "closed";
    try { inside = made.contentDocument === null ? "closed" : "open"; } catch { }
    resolve(inside);
  };
  Object.assign(made, attributes);
  document.body.append(made);
});

/** A form of these fields. */
const form = (attributes, fields = { request }) => {
  const made = document.createElement("form");
  Object.assign(made, { method: "post" }, attributes);
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    made.append(field);
  }
  document.body.append(made);
  return made;
};

/** What a page within a frame says. */
const within = (attributes) => new Promise((resolve) => {
  addEventListener("message", ({ data }) => resolve(data), { once: true });
  const made = document.createElement("iframe");
  Object.assign(made, attributes);
  document.body.append(made);
});

/** A page that asks the door by script and tells its parent. */
const asking = `<script>fetch(${JSON.stringify(begin)}, ${JSON.stringify(init)}).then(
  async (answer) => answer.type + " " + answer.status + " " + await answer.text(),
  () => "refused").then((heard) => parent.postMessage(heard, "*"))</` + `script>`;
