// Passport with openid-client's own strategy.
import express from "express";
import * as client from "openid-client";
import { Strategy } from "openid-client/passport";
import passport from "passport";
import { CLIENT_ID, CLIENT_SECRET, ISSUER, ORIGIN, SCOPE, backchannelLogout, listen, page, sessions } from "./service.mjs";

const config = await client.discovery(new URL(ISSUER), CLIENT_ID, {}, client.ClientSecretBasic(CLIENT_SECRET));
const options = { config, name: "network", scope: SCOPE, callbackURL: `${ORIGIN}/callback`, passReqToCallback: true };
passport.use(
  new Strategy(options, (request, tokens, verified) => {
    request.res.locals.tokens = tokens;
    verified(null, tokens.claims());
  }),
);
passport.serializeUser((user, done) => done(null, user));
passport.deserializeUser((user, done) => done(null, user));

const app = express();
app.use(sessions);
app.use(passport.session());

app.get("/", (request, response) => response.send(page(request.user, request.session.tokens?.access_token)));

app.get("/login", passport.authenticate("network"));

app.get("/callback", passport.authenticate("network"), (request, response) => {
  request.session.claims = request.user;
  request.session.tokens = response.locals.tokens;
  response.redirect("/");
});

app.get("/refresh", async (request, response) => {
  const { tokens } = request.session;
  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token);
  await client.fetchUserInfo(config, fresh.access_token, request.user.sub);
  request.session.tokens = { ...tokens, ...fresh };
  response.redirect("/");
});

app.get("/logout", (request, response) => {
  const address = client.buildEndSessionUrl(config, {
    id_token_hint: request.session.tokens.id_token,
    post_logout_redirect_uri: `${ORIGIN}/`,
  });
  request.logout(() => request.session.destroy(() => response.redirect(address.href)));
});

app.post("/backchannel-logout", express.urlencoded(), backchannelLogout(config.serverMetadata()));

listen(app);
