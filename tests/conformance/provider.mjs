// node-oidc-provider with the clients of the conformance modules, told by a JSON file, over TLS.

import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";

import Provider from "oidc-provider";

const told = JSON.parse(readFileSync(process.argv[2], "utf8"));
const signingKey = (alg, kind, options) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" }),
  alg,
  use: "sig",
});
const isFapi = (client) => told.profiles[client?.clientId] === "fapi2";

const provider = new Provider(told.issuer, {
  clients: told.clients,
  jwks: { keys: [signingKey("ES256", "ec", { namedCurve: "P-256" }), signingKey("RS256", "rsa", { modulusLength: 2048 })] },
  cookies: { keys: [told.cookieKey], long: { sameSite: "none" } },
  enableHttpPostMethods: true,
  clientAuthMethods: [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "self_signed_tls_client_auth",
  ],
  // Logout tokens go to the test on this machine, where the library's own fetch would not call; what stands
  // at the clients' own addresses is told.
  fetch: (url, { dispatcher, ...options }) =>
    String(url) in told.documents ? Response.json(told.documents[url]) : globalThis.fetch(url, options),
  scopes: ["openid"],
  claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"] },
  clientDefaults: { id_token_signed_response_alg: "ES256", authorization_signed_response_alg: "ES256" },
  enabledJWA: {
    idTokenSigningAlgValues: ["ES256", "RS256"],
    userinfoSigningAlgValues: ["ES256", "RS256"],
    authorizationSigningAlgValues: ["ES256"],
    clientAuthSigningAlgValues: ["ES256"],
    requestObjectSigningAlgValues: ["ES256"],
    dPoPSigningAlgValues: ["ES256"],
  },
  features: {
    fapi: { enabled: true, profile: (ctx, client) => (isFapi(client) ? "2.0" : undefined) },
    claimsParameter: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: { enabled: true },
    jwtResponseModes: { enabled: true },
    dPoP: { enabled: true },
    mTLS: {
      enabled: true,
      selfSignedTlsClientAuth: true,
      certificateBoundAccessTokens: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
    },
    jwtUserinfo: { enabled: true },
    registration: { enabled: true, initialAccessToken: told.initialAccessToken },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: false },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
  },
  pkce: { required: (ctx, client) => isFapi(client) },
  issueRefreshToken: () => true,
  subjectTypes: ["public", "pairwise"],
  pairwiseIdentifier: (ctx, accountId, client) => `${client.sectorIdentifier} ${accountId}`,
  clientBasedCORS: () => false,
  findAccount: (ctx, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: "Yamada Taro", email: `${sub}@example.jp`, email_verified: true }),
  }),
});

provider.on("backchannel.error", (ctx, error) => console.error(error));
provider.on("server_error", (ctx, error) => console.error(error));

const { key, cert } = told.tls;
const options = { key, cert, requestCert: true, rejectUnauthorized: false };
const server = createServer(options, provider.callback());
// Longer than a client keeps a connection, or one is closed at the moment of its next use.
server.keepAliveTimeout = 120_000;
server.listen(told.port, "127.0.0.1", () => console.log("ready"));
