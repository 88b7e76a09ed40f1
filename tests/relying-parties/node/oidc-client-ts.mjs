// oidc-client-ts: the service is a page; this program only hands it out.
import { fileURLToPath } from "node:url";
import express from "express";
import { CLIENT_ID, ISSUER, ORIGIN, SCOPE, listen } from "./service.mjs";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const app = express();
app.use(express.static(path("node_modules/oidc-client-ts/dist/browser")));
app.get("/settings.json", (_, response) =>
  response.json({
    authority: ISSUER,
    client_id: CLIENT_ID,
    redirect_uri: `${ORIGIN}/callback`,
    post_logout_redirect_uri: `${ORIGIN}/`,
    scope: SCOPE,
    loadUserInfo: true,
    monitorSession: true,
  }),
);
// Loaded in a frame of the portal's page with `iss` and `sid`; without them it shows what came last.
let told = null;
app.get("/frontchannel-logout", ({ query: { iss, sid } }, response) => {
  told = iss === undefined ? told : { iss, sid };
  response.type("html").send(`<pre>${JSON.stringify(told)}</pre>`);
});
app.get(["/", "/callback", "/refresh"], (_, response) => response.sendFile(path("oidc-client-ts.html")));
listen(app);
