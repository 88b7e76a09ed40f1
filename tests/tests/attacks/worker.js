// Asks the door from within a worker, and says what it heard.
async function ask({ address, init }) {
  try {
    const answer = await fetch(address, init);
    return `${answer.type} ${answer.status} ${await answer.text()}`;
  } catch {
    return "refused";
  }
}
self.addEventListener("message", async ({ data, source }) => {
  const heard = await ask(data);
  (source ?? self).postMessage(heard);
});
self.addEventListener("connect", ({ ports: [port] }) => {
  port.onmessage = async ({ data }) => port.postMessage(await ask(data));
});
