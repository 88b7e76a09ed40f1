// What the services here have in common: where they stand, their one page, their sessions, and the
// back-channel logout of those whose library has none.
import { randomBytes } from "node:crypto";
import session from "express-session";
import { createRemoteJWKSet, jwtVerify } from "jose";

export const { ISSUER, CLIENT_ID, CLIENT_SECRET, ORIGIN, PORT } = process.env;
export const SCOPE = "openid profile hc_role facility";

export const listen = (app) => app.listen(PORT, "127.0.0.1", () => console.log("ready"));

const escape = (text) => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt()};`);

const known = (claims, accessToken) => `<pre>${escape(JSON.stringify({ ...claims, token: tail(accessToken) }))}</pre>
<a id="refresh" href="/refresh">Refresh</a> <a id="logout" href="/logout">Log out</a>`;

/** Enough of an access token to tell it from another, and of no use. */
export const tail = (token) => token.slice(-12);

/** Who is logged in, and what they can do; or nobody. */
export const page = (claims, accessToken) => `<!doctype html><html lang="ja"><meta charset="utf-8"><title>${CLIENT_ID}</title>
${claims ? known(claims, accessToken) : `<a id="login" href="/login">Log in</a>`}`;

const store = new session.MemoryStore();

export const sessions = session({
  store,
  secret: randomBytes(32).toString("hex"),
  resave: false,
  saveUninitialized: false,
  cookie: { sameSite: "lax" },
});

const EVENT = "http://schemas.openid.net/event/backchannel-logout";

/** Reads a logout token (OIDC Back-Channel Logout 1.0 §2.6) by the provider's keys; answers its `sid`. */
const reader = ({ issuer, jwks_uri }) => {
  const keys = createRemoteJWKSet(new URL(jwks_uri));
  return async (logout_token) => {
    const { payload } = await jwtVerify(logout_token, keys, {
      issuer,
      audience: CLIENT_ID,
      typ: "logout+jwt",
      requiredClaims: ["iat", "exp", "jti", "sid"],
    });
    if (!payload.events?.[EVENT] || "nonce" in payload) throw new Error("not a logout token");
    return payload.sid;
  };
};

/** Takes logout tokens, which `endedSession` reads, and ends the sessions whose `sid` they name. */
export function answerLogout(endedSession) {
  return async (request, response) => {
    try {
      const sid = await endedSession(request.body.logout_token);
      store.all((_, all) => {
        for (const [id, { claims }] of Object.entries(all)) {
          if (claims?.sid === sid) store.destroy(id);
        }
      });
      response.set("Cache-Control", "no-store").end();
    } catch (error) {
      console.error(error);
      response.status(400).end();
    }
  };
}

/** The same for libraries that do not read them. */
export const backchannelLogout = (provider) => answerLogout(reader(provider));
