// openid-client 6, by the functions of `sso.mjs`, which is what the service's page in the console shows.
import express from "express";
import * as client from "openid-client";
import { begin, config, endedSession, finish, leave, refresh } from "./sso.mjs";
import { answerLogout, listen, page, sessions } from "./service.mjs";

const app = express();
app.use(sessions);

app.get("/", (request, response) => response.send(page(request.session.claims, request.session.tokens?.access_token)));

app.get("/login", async (request, response) => {
  const { login, address } = await begin();
  request.session.login = login;
  response.redirect(address);
});

app.get("/callback", async (request, response) => {
  const tokens = await finish(request.originalUrl, request.session.login);
  await new Promise((done) => request.session.regenerate(done));
  request.session.claims = tokens.claims();
  request.session.tokens = tokens;
  response.redirect("/");
});

app.get("/refresh", async (request, response) => {
  const { claims, tokens } = request.session;
  const fresh = await refresh(tokens);
  const told = await client.fetchUserInfo(config, fresh.access_token, claims.sub);
  Object.assign(request.session, { claims: { ...claims, ...told }, tokens: { ...tokens, ...fresh } });
  response.redirect("/");
});

app.get("/logout", (request, response) => {
  const address = leave(request.session.tokens);
  request.session.destroy(() => response.redirect(address));
});

app.post("/backchannel-logout", express.urlencoded(), answerLogout(endedSession));

listen(app);
