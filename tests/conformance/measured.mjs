// node-oidc-provider as it is measured: its store in memory, everybody known, nobody asked. Told by a
// JSON file, over TLS.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";

import Provider from "oidc-provider";

const told = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

const provider = new Provider(told.issuer, {
  clients: [told.client],
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig" }] },
  cookies: { keys: [told.cookieKey] },
  scopes: ["openid", "offline_access"],
  claims: { openid: ["sub"], profile: ["name"] },
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: () => true,
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub, name: "Yamada Taro" }) }),
  loadExistingGrant: async (ctx) => {
    const { accountId } = ctx.oidc.session;
    const { clientId } = ctx.oidc.client;
    const known = ctx.oidc.session.grantIdFor(clientId);
    if (known) return ctx.oidc.provider.Grant.find(known);
    const grant = new ctx.oidc.provider.Grant({ clientId, accountId });
    grant.addOIDCScope("openid profile");
    await grant.save();
    return grant;
  },
});

provider.on("server_error", (ctx, error) => console.error(error));

const answer = provider.callback();
const { key, cert } = told.tls;
const server = createServer({ key, cert }, (request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  return provider.interactionFinished(request, response, { login: { accountId: randomUUID() } });
});
server.keepAliveTimeout = 120_000;
server.listen(told.port, "127.0.0.1", () => console.log("ready"));
