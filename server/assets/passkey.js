// Passkeys: the portal's question goes to the browser, the authenticator's answer goes back.
//
// Nothing here is believed by the portal: it verifies the answer against its own question.

/** A refusal with words for the person. */
class Refusal extends Error {
  constructor(text, help) {
    super(text);
    this.help = help;
  }
}

/** One place of a page that asks for a passkey. */
function attach(root) {
  const button = root.querySelector("button[type=button]");
  const field = root.querySelector("input[name=name]");
  const statusLine = root.querySelector("[role=status]");
  const errorBox = root.querySelector("[role=alert]");
  const [errorText, errorHelp] = errorBox.children;
  /** The form with login name and password, where the passkey stands beside them. */
  const form = root.dataset.form ? document.getElementById(root.dataset.form) : null;
  const typed = form ? ["login_name", "password"].map((name) => form.elements[name]) : [];

  function refusalOf(code) {
    const entry = root.querySelector(`[data-error="${CSS.escape(code)}"]`);
    return new Refusal(entry.textContent, entry.dataset.help);
  }

  /** One call of the portal; its refusals are problem details in the page's language. */
  async function portal(path, body) {
    let response;
    let answer;
    try {
      response = await fetch(path, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(body),
        credentials: "same-origin",
        redirect: "error",
      });
      answer = await response.json();
    } catch {
      throw refusalOf("portal");
    }
    if (!response.ok) throw new Refusal(answer.detail, answer.help);
    return answer;
  }

  /** What an authenticator answers, as the portal reads it. */
  async function answerTo({ publicKey }) {
    const enrol = root.dataset.act === "create";
    try {
      const options = enrol
        ? PublicKeyCredential.parseCreationOptionsFromJSON(publicKey)
        : PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
      const asked = { publicKey: options };
      const credential = await (enrol
        ? navigator.credentials.create(asked)
        : navigator.credentials.get(asked));
      return credential.toJSON();
    } catch (error) {
      // WebAuthn Level 2 §5.1.3: of the authenticators that were excluded one was used.
      throw refusalOf(error.name === "InvalidStateError" ? "enrolled" : "cancelled");
    }
  }

  function question() {
    if (field) return { name: field.value };
    return { return_to: root.dataset.returnTo || null };
  }

  /** What is sent: the answer, with what was typed where it stands beside that. */
  function submission(answer) {
    if (!form) return answer;
    return { ...Object.fromEntries(typed.map(({ name, value }) => [name, value])), answer };
  }

  async function run() {
    if ([field, ...typed].some((input) => input && !input.reportValidity())) return;
    button.disabled = true;
    errorBox.hidden = true;
    try {
      const options = await portal(root.dataset.challenge, question());
      statusLine.textContent = statusLine.dataset.waiting;
      const answer = await answerTo(options);
      statusLine.textContent = statusLine.dataset.verifying;
      const { redirect } = await portal(root.dataset.submit, submission(answer));
      location.assign(redirect);
    } catch (error) {
      statusLine.textContent = "";
      errorText.textContent = error.message;
      errorHelp.textContent = error.help ?? "";
      errorBox.hidden = false;
      button.disabled = false;
    }
  }

  if (globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON) {
    // Without script the page offers no button: it would do nothing.
    button.hidden = false;
    button.addEventListener("click", run);
  } else {
    const { message, help } = refusalOf("unsupported");
    errorText.textContent = message;
    errorHelp.textContent = help;
    errorBox.hidden = false;
  }
}

document.querySelectorAll("[data-act]").forEach(attach);
addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
