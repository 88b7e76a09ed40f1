//! What pages of other sites try, each by a name of its own.
//!
//! A page on the internet is kept from loopback by the browser (Local Network Access); a page in the
//! same network is not, and meets the door. Both are asked: the door must not lean on the browser.

/// How a page acts.
pub enum Act {
    /// By a script that tells what it heard; see `prelude.js`.
    Script(&'static str),
    /// By a script that leaves the page.
    Leave(&'static str),
}

/// How far it gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The browser sends nothing.
    Browser,
    /// The door is asked, and answers as it answers strangers.
    Door,
}

pub struct Case {
    pub name: &'static str,
    pub page: &'static str,
    pub act: Act,
    pub reach: Reach,
    /// What the page hears, with or without a card.
    pub hears: &'static str,
}

/// On the internet.
const FAR: &str = "https://evil.example/";
/// The same without TLS.
const FAR_PLAIN: &str = "http://evil.example/";
/// In the hospital's network.
const NEAR: &str = "https://near.example/";
const NEAR_PLAIN: &str = "http://near.example/";

const fn script(
    name: &'static str,
    page: &'static str,
    script: &'static str,
    reach: Reach,
    hears: &'static str,
) -> Case {
    Case { name, page, act: Act::Script(script), reach, hears }
}

const fn leave(name: &'static str, page: &'static str, script: &'static str) -> Case {
    Case { name, page, act: Act::Leave(script), reach: Reach::Door, hears: "left" }
}

const FETCH: &str = "return heard(fetch(begin, init));";
const SIMPLE: &str = "return heard(fetch(begin, { method: 'POST', body, mode: 'no-cors' }));";
const IMAGE: &str = "return element('img', { src: begin });";
const SOCKET: &str = "return new Promise((resolve) => { const socket = new WebSocket(begin.replace('http', 'ws')); socket.onopen = () => resolve('open'); socket.onerror = () => resolve('refused'); });";
const FRAME: &str = "return frame({ src: begin });";
const WORKER: &str = "return new Promise((resolve) => { const worker = new Worker('/worker.js'); worker.onmessage = ({ data }) => resolve(data); worker.postMessage({ address: begin, init }); });";
const SERVICE_WORKER: &str = "const { installing, active } = await navigator.serviceWorker.register('/worker.js'); return new Promise((resolve) => { navigator.serviceWorker.onmessage = ({ data }) => resolve(data); navigator.serviceWorker.startMessages(); (installing ?? active).postMessage({ address: begin, init }); });";
/// With everything that the portal's page sends, at the same origin.
const AT_HOME: &str = "return heard(fetch('/v1/card-login/begin', init));";

pub const CASES: &[Case] = &[
    // On the internet.
    script("a_script_on_the_internet", FAR, FETCH, Reach::Browser, "refused"),
    script("a_script_on_the_internet_without_tls", FAR_PLAIN, FETCH, Reach::Browser, "refused"),
    script("a_simple_request_on_the_internet", FAR, SIMPLE, Reach::Browser, "refused"),
    script("an_image_on_the_internet", FAR, IMAGE, Reach::Browser, "refused"),
    script("a_websocket_on_the_internet", FAR, SOCKET, Reach::Browser, "refused"),
    script("a_worker_on_the_internet", FAR, WORKER, Reach::Browser, "refused"),
    script("a_service_worker_on_the_internet", FAR, SERVICE_WORKER, Reach::Browser, "refused"),
    script("a_frame_on_the_internet", FAR, FRAME, Reach::Browser, "closed"),
    // In the same network.
    script("a_script_nearby", NEAR, FETCH, Reach::Door, "refused"),
    script("a_script_nearby_without_tls", NEAR_PLAIN, FETCH, Reach::Door, "refused"),
    script("a_simple_request", NEAR, SIMPLE, Reach::Door, "opaque 0"),
    script(
        "a_simple_request_of_text_that_is_kept_alive",
        NEAR,
        "return heard(fetch(begin, { method: 'POST', body, mode: 'no-cors', keepalive: true }));",
        Reach::Door,
        "opaque 0",
    ),
    script(
        "a_request_with_cookies",
        NEAR,
        "return heard(fetch(begin, { ...init, credentials: 'include' }));",
        Reach::Door,
        "refused",
    ),
    script(
        "a_request_by_the_older_interface",
        NEAR,
        "return new Promise((resolve) => { const asked = new XMLHttpRequest(); asked.open('POST', begin); asked.setRequestHeader('x-card-login', '1'); asked.onload = () => resolve('open'); asked.onerror = () => resolve(`refused ${asked.status}`); asked.send(body); });",
        Reach::Door,
        "refused 0",
    ),
    script(
        "a_beacon",
        NEAR,
        "return navigator.sendBeacon(begin, body) ? 'sent' : 'refused';",
        Reach::Door,
        "sent",
    ),
    script(
        "a_beacon_of_json",
        NEAR,
        "return navigator.sendBeacon(begin, new Blob([body], { type: 'application/json' })) ? 'sent' : 'refused';",
        Reach::Door,
        "sent",
    ),
    script("an_image", NEAR, IMAGE, Reach::Door, "refused"),
    script(
        "an_image_with_leave_asked",
        NEAR,
        "return element('img', { crossOrigin: 'anonymous', src: begin });",
        Reach::Door,
        "refused",
    ),
    script(
        "a_script_element",
        NEAR,
        "return element('script', { src: begin });",
        Reach::Door,
        "refused",
    ),
    script(
        "a_module",
        NEAR,
        "return element('script', { type: 'module', src: begin });",
        Reach::Door,
        "refused",
    ),
    script(
        "a_style_sheet",
        NEAR,
        "return element('link', { rel: 'stylesheet', href: begin });",
        Reach::Door,
        "refused",
    ),
    script(
        "a_video",
        NEAR,
        "return element('video', { src: begin, preload: 'auto' });",
        Reach::Door,
        "refused",
    ),
    script(
        "a_font",
        NEAR,
        "return new FontFace('f', `url(${begin})`).load().then(() => 'open', () => 'refused');",
        Reach::Door,
        "refused",
    ),
    script("an_object", NEAR, "return element('object', { data: begin });", Reach::Door, "refused"),
    script(
        "a_stream_of_events",
        NEAR,
        "return new Promise((resolve) => { const events = new EventSource(begin); events.onopen = () => resolve('open'); events.onerror = () => { events.close(); resolve('refused'); }; });",
        Reach::Door,
        "refused",
    ),
    script("a_websocket", NEAR, SOCKET, Reach::Door, "refused"),
    script("a_worker", NEAR, WORKER, Reach::Door, "refused"),
    script(
        "a_shared_worker",
        NEAR,
        "return new Promise((resolve) => { const { port } = new SharedWorker('/worker.js'); port.onmessage = ({ data }) => resolve(data); port.postMessage({ address: begin, init }); });",
        Reach::Door,
        "refused",
    ),
    script("a_service_worker", NEAR, SERVICE_WORKER, Reach::Door, "refused"),
    script("a_frame", NEAR, FRAME, Reach::Door, "closed"),
    script(
        "a_frame_without_script",
        NEAR,
        "return frame({ sandbox: '', src: begin });",
        Reach::Door,
        "closed",
    ),
    script(
        "a_form_into_a_frame",
        NEAR,
        "const made = frame({ name: 'inner' }); await made; form({ action: navigate, target: 'inner' }).submit(); return 'sent';",
        Reach::Door,
        "sent",
    ),
    script(
        "many_requests_at_a_time",
        NEAR,
        "const all = await Promise.all(Array.from({ length: 60 }, () => heard(fetch(begin, init)))); return [...new Set(all)].join();",
        Reach::Door,
        "refused",
    ),
    script(
        "a_request_by_ipv6",
        NEAR,
        "return heard(fetch(begin.replace('127.0.0.1', '[::1]'), init));",
        Reach::Door,
        "refused",
    ),
    script(
        "a_request_by_the_name_localhost",
        NEAR,
        "return heard(fetch(begin.replace('127.0.0.1', 'localhost'), init));",
        Reach::Door,
        "refused",
    ),
    script(
        "a_request_by_a_name_of_the_attacker",
        NEAR_PLAIN,
        "return heard(fetch(begin.replace('127.0.0.1', 'rebound.example'), init));",
        Reach::Door,
        "refused",
    ),
    // Pages of no origin.
    script(
        "a_sandboxed_frame",
        NEAR,
        "return within({ sandbox: 'allow-scripts', srcdoc: asking });",
        Reach::Door,
        "refused",
    ),
    script(
        "a_frame_of_data",
        NEAR,
        "return within({ src: `data:text/html,${encodeURIComponent(asking)}` });",
        Reach::Door,
        "refused",
    ),
    script(
        "a_frame_of_a_blob",
        NEAR,
        "return within({ src: URL.createObjectURL(new Blob([asking], { type: 'text/html' })) });",
        Reach::Door,
        "refused",
    ),
    // Names like the portal's.
    script(
        "a_subdomain_of_the_portal",
        "https://evil.terminal.example/",
        FETCH,
        Reach::Door,
        "refused",
    ),
    script(
        "a_name_that_begins_like_the_portals",
        "https://terminal.example.evil.example/",
        FETCH,
        Reach::Door,
        "refused",
    ),
    script(
        "a_name_that_ends_like_the_portals",
        "https://evil-terminal.example/",
        FETCH,
        Reach::Door,
        "refused",
    ),
    script(
        "the_portals_name_without_tls",
        "http://terminal.example/",
        FETCH,
        Reach::Door,
        "refused",
    ),
    script(
        "the_portals_name_at_another_port",
        "https://terminal.example:8443/",
        FETCH,
        Reach::Door,
        "refused",
    ),
    // A page of the door's own origin: of a site whose name was bound anew to loopback after the page
    // was loaded, or of a program that had the port before. It needs no leave to send what the
    // portal's page sends, and reads the answer.
    script("a_page_of_the_door", "http://127.0.0.1:PORT/before", AT_HOME, Reach::Door, "basic 403"),
    script(
        "a_page_of_the_door_by_ipv6",
        "http://[::1]:PORT/before",
        AT_HOME,
        Reach::Door,
        "basic 403",
    ),
    script(
        "a_page_of_the_door_by_localhost",
        "http://localhost:PORT/before",
        AT_HOME,
        Reach::Door,
        "basic 403",
    ),
    script(
        "a_page_of_a_name_that_was_bound_anew",
        "http://rebound.example:PORT/before",
        AT_HOME,
        Reach::Door,
        "basic 403",
    ),
    script(
        "a_page_of_a_name_under_localhost",
        "http://door.localhost:PORT/before",
        AT_HOME,
        Reach::Door,
        "basic 403",
    ),
    script(
        "a_page_of_a_name_that_was_bound_anew_asks_the_address",
        "http://rebound.example:PORT/before",
        FETCH,
        Reach::Door,
        "refused",
    ),
    // By going there: nothing keeps a page from it.
    leave("a_link", FAR, "location.href = begin;"),
    leave(
        "a_link_without_a_referrer",
        FAR,
        "const a = document.createElement('a'); a.href = begin; a.rel = 'noreferrer'; document.body.append(a); a.click();",
    ),
    leave("a_form_to_the_second_door", FAR, "form({ action: navigate }).submit();"),
    leave("a_form_to_the_second_door_nearby", NEAR, "form({ action: navigate }).submit();"),
    leave(
        "a_form_that_hides_where_it_comes_from",
        FAR,
        "const meta = document.createElement('meta'); meta.name = 'referrer'; meta.content = 'no-referrer'; document.head.append(meta); form({ action: navigate }).submit();",
    ),
    leave(
        "a_form_of_text_that_is_json",
        FAR,
        "form({ action: begin, enctype: 'text/plain' }, { [`{\"request\":\"${request}\",\"x\":\"`]: '\"}' }).submit();",
    ),
    leave(
        "a_form_with_parts",
        FAR,
        "form({ action: navigate, enctype: 'multipart/form-data' }).submit();",
    ),
    leave(
        "a_form_by_localhost",
        FAR,
        "form({ action: navigate.replace('127.0.0.1', 'localhost') }).submit();",
    ),
    leave(
        "a_form_by_the_address_of_all_interfaces",
        FAR_PLAIN,
        "form({ action: navigate.replace('127.0.0.1', '0.0.0.0') }).submit();",
    ),
    leave(
        "a_form_by_a_name_that_was_bound_anew",
        FAR_PLAIN,
        "form({ action: navigate.replace('127.0.0.1', 'rebound.example') }).submit();",
    ),
    leave(
        "a_form_that_the_portal_sends_on",
        FAR,
        "form({ action: 'https://terminal.example/on' }).submit();",
    ),
    leave(
        "a_form_from_a_sandbox",
        FAR,
        "const made = document.createElement('iframe'); made.sandbox = 'allow-scripts allow-forms allow-top-navigation'; made.srcdoc = `<form method=post target=_top action=\"${navigate}\"><input name=request value=\"${request}\"></form><script>document.forms[0].submit()</` + 'script>'; document.body.append(made);",
    ),
    leave("another_window", FAR, "open(begin);"),
    leave(
        "a_form_into_another_window",
        FAR,
        "form({ action: navigate, target: '_blank' }).submit();",
    ),
];
