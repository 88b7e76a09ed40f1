// openid-client 6: its functions, in the order of a login.
import express from "express";
import * as client from "openid-client";
import { CLIENT_ID, CLIENT_SECRET, ISSUER, ORIGIN, SCOPE, backchannelLogout, listen, page, sessions } from "./service.mjs";

const config = await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET);
client.enableNonRepudiationChecks(config);
const app = express();
app.use(sessions);

app.get("/", (request, response) => response.send(page(request.session.claims, request.session.tokens?.access_token)));

app.get("/login", async (request, response) => {
  const code_verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  request.session.login = { code_verifier, state, nonce };
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: `${ORIGIN}/callback`,
    scope: SCOPE,
    code_challenge: await client.calculatePKCECodeChallenge(code_verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  });
  response.redirect(address.href);
});

app.get("/callback", async (request, response) => {
  const { code_verifier, state, nonce } = request.session.login;
  const tokens = await client.authorizationCodeGrant(config, new URL(request.originalUrl, ORIGIN), {
    pkceCodeVerifier: code_verifier,
    expectedState: state,
    expectedNonce: nonce,
  });
  await new Promise((done) => request.session.regenerate(done));
  request.session.claims = tokens.claims();
  request.session.tokens = tokens;
  response.redirect("/");
});

app.get("/refresh", async (request, response) => {
  const { claims, tokens } = request.session;
  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token);
  const told = await client.fetchUserInfo(config, fresh.access_token, claims.sub);
  Object.assign(request.session, { claims: { ...claims, ...told }, tokens: { ...tokens, ...fresh } });
  response.redirect("/");
});

app.get("/logout", (request, response) => {
  const address = client.buildEndSessionUrl(config, {
    id_token_hint: request.session.tokens.id_token,
    post_logout_redirect_uri: `${ORIGIN}/`,
  });
  request.session.destroy(() => response.redirect(address.href));
});

app.post("/backchannel-logout", express.urlencoded(), backchannelLogout(config.serverMetadata()));

listen(app);
