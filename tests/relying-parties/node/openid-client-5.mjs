// openid-client 5: its classes, as most services in the field still use them.
import express from "express";
import { Issuer, generators } from "openid-client-5";
import { CLIENT_ID, CLIENT_SECRET, ISSUER, ORIGIN, SCOPE, backchannelLogout, listen, page, sessions } from "./service.mjs";

const issuer = await Issuer.discover(ISSUER);
const client = new issuer.Client({
  client_id: CLIENT_ID,
  client_secret: CLIENT_SECRET,
  redirect_uris: [`${ORIGIN}/callback`],
  post_logout_redirect_uris: [`${ORIGIN}/`],
  response_types: ["code"],
  id_token_signed_response_alg: "ES256",
});
const app = express();
app.use(sessions);

app.get("/", (request, response) => response.send(page(request.session.claims, request.session.tokens?.access_token)));

app.get("/login", (request, response) => {
  const code_verifier = generators.codeVerifier();
  const [state, nonce] = [generators.state(), generators.nonce()];
  request.session.login = { code_verifier, state, nonce };
  const code_challenge = generators.codeChallenge(code_verifier);
  response.redirect(
    client.authorizationUrl({ scope: SCOPE, state, nonce, code_challenge, code_challenge_method: "S256" }),
  );
});

app.get("/callback", async (request, response) => {
  const checks = request.session.login;
  const tokens = await client.callback(`${ORIGIN}/callback`, client.callbackParams(request), checks);
  await new Promise((done) => request.session.regenerate(done));
  request.session.claims = tokens.claims();
  request.session.tokens = tokens;
  response.redirect("/");
});

app.get("/refresh", async (request, response) => {
  const { claims, tokens } = request.session;
  const fresh = await client.refresh(tokens.refresh_token);
  const told = await client.userinfo(fresh);
  Object.assign(request.session, { claims: { ...claims, ...told }, tokens: { ...tokens, ...fresh } });
  response.redirect("/");
});

app.get("/logout", (request, response) => {
  const address = client.endSessionUrl({ id_token_hint: request.session.tokens.id_token });
  request.session.destroy(() => response.redirect(address));
});

app.post("/backchannel-logout", express.urlencoded(), backchannelLogout(issuer.metadata));

listen(app);
