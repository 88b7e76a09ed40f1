// In a page of the portal: tells the page's script that the agent can be reached without loopback, and
// carries its calls.

(() => {
  const TO_AGENT = "card-login-agent";
  const TO_PAGE = "card-login-page";
  let port = null;

  const tell = (message) => window.postMessage({ to: TO_PAGE, ...message }, location.origin);

  function connect() {
    const opened = chrome.runtime.connect();
    opened.onMessage.addListener(({ id, status, body }) => tell({ id, status, body }));
    opened.onDisconnect.addListener(() => {
      port = null;
      tell({ gone: true });
    });
    return opened;
  }

  addEventListener("message", ({ source, origin, data }) => {
    if (source !== window || origin !== location.origin || data?.to !== TO_AGENT) return;
    port ??= connect();
    port.postMessage({ id: data.id, call: data.call, body: data.body });
  });

  document.documentElement.dataset.cardLogin = "extension";
})();
