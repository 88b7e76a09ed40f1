// openid-client 6: the login of {{ v.client_id }}. Needs: npm install openid-client{% if v.backchannel_logout_uri.is_some() %} jose{% endif %}
// From the environment come {% if v.has_secret %}CLIENT_SECRET, the shared secret, and {% endif %}NODE_EXTRA_CA_CERTS, file of the network's root certificate.
import * as client from "openid-client";
{% if v.backchannel_logout_uri.is_some() %}import { createRemoteJWKSet, jwtVerify } from "jose";
{% endif %}
const ISSUER = "{{ v.provider.issuer }}";
const CLIENT_ID = "{{ v.client_id }}";
const REDIRECT_URI = "{{ v.redirect_uri }}";
const SCOPE = "{{ v.scope }}";
const ALGORITHM = "{{ v.algorithm }}";

export const config = await client.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  { id_token_signed_response_alg: ALGORITHM },
{% if v.method == "client_secret_basic" %}  client.ClientSecretBasic(process.env.CLIENT_SECRET),
{% else if v.method == "client_secret_post" %}  client.ClientSecretPost(process.env.CLIENT_SECRET),
{% else %}  client.None(),
{% endif %});
client.enableNonRepudiationChecks(config);

/** Begins a login. Keep `login` in the browser's session and send the browser to `address`. */
export async function begin() {
  const login = {
    verifier: client.randomPKCECodeVerifier(),
    state: client.randomState(),
    nonce: client.randomNonce(),
  };
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: SCOPE,
    code_challenge: await client.calculatePKCECodeChallenge(login.verifier),
    code_challenge_method: "S256",
    state: login.state,
    nonce: login.nonce,
  });
  return { login, address: address.href };
}

/** Ends it: `path` is path and query with which the browser came back. Answers the tokens; their `claims()` say who it is. */
export function finish(path, { verifier, state, nonce }) {
  return client.authorizationCodeGrant(config, new URL(path, REDIRECT_URI), {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  });
}
{% if v.refreshes %}
/** Fresh tokens. Keep the new refresh token: the old one is used up. */
export function refresh(tokens) {
  return client.refreshTokenGrant(config, tokens.refresh_token);
}
{% endif %}{% if let Some(uri) = v.logout_uri %}
/** Where to send the browser so that the person is logged out everywhere. */
export function leave(tokens) {
  const post_logout_redirect_uri = "{{ uri }}";
  return client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri }).href;
}
{% endif %}{% if let Some(uri) = v.backchannel_logout_uri %}
const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
const EVENT = "http://schemas.openid.net/event/backchannel-logout";

/**
 * For what is posted to {{ uri }}:
 * reads its `logout_token` and answers the `sid` of the session to end. It throws where nobody is to be believed:
 * answer 400 then, and 200 else, both with `Cache-Control: no-store`.
 */
export async function endedSession(logout_token) {
  const { payload } = await jwtVerify(logout_token, keys, {
    issuer: ISSUER,
    audience: CLIENT_ID,
    algorithms: [ALGORITHM],
    typ: "logout+jwt",
    requiredClaims: ["iat", "exp", "jti", "sid"],
  });
  if (!payload.events?.[EVENT] || "nonce" in payload) throw new Error("not a logout token");
  return payload.sid;
}
{% endif %}
