// Between a page of the portal and the agent: hands messages on and adds who asks.
//
// The page's origin comes from the browser, never from the page. The agent judges the rest.

const AGENT = "jp.sekisho.agent";

chrome.runtime.onConnect.addListener((page) => {
  // Frames ask for nothing: a page within another could be anybody's picture of ours.
  if (page.sender?.frameId !== 0 || !page.sender.origin) return page.disconnect();
  const agent = chrome.runtime.connectNative(AGENT);
  agent.onMessage.addListener((answer) => page.postMessage(answer));
  // Not installed, or no agent runs: the page says so.
  agent.onDisconnect.addListener(() => {
    console.warn(chrome.runtime.lastError?.message);
    page.disconnect();
  });
  page.onMessage.addListener(({ id, call, body }) => {
    agent.postMessage({ id, origin: page.sender.origin, call, body });
  });
  page.onDisconnect.addListener(() => agent.disconnect());
});
