// express-openid-connect: login, logout and back-channel logout are its own.
import { randomBytes } from "node:crypto";
import express from "express";
import oidc from "express-openid-connect";
import { CLIENT_ID, CLIENT_SECRET, ISSUER, ORIGIN, SCOPE, listen, page } from "./service.mjs";

const app = express();
// By `sid`. The hooks that it brings along end every session of the person, at other PCs and begun later.
const ended = new Set();
app.use(
  oidc.auth({
    issuerBaseURL: ISSUER,
    baseURL: ORIGIN,
    clientID: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    secret: randomBytes(32).toString("hex"),
    authorizationParams: { response_type: "code", scope: SCOPE },
    idTokenSigningAlg: "ES256",
    authRequired: false,
    idpLogout: true,
    routes: { postLogoutRedirect: `${ORIGIN}/` },
    backchannelLogout: {
      onLogin: false,
      onLogoutToken: ({ sid }) => ended.add(sid),
      isLoggedOut: (request) => ended.has(request.oidc.idTokenClaims.sid),
    },
  }),
);

app.get("/", ({ oidc: { idTokenClaims, accessToken } }, response) =>
  response.send(page(idTokenClaims, accessToken?.access_token)),
);

app.get("/refresh", async (request, response) => {
  await request.oidc.accessToken.refresh();
  await request.oidc.fetchUserInfo();
  response.redirect("/");
});

listen(app);
