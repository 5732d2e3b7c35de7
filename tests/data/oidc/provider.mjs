// An OpenID Connect provider for tests: somebody else's implementation, with people who are whoever the test says.
// Arguments: the clinic's way back, and how the provider is to be (plain, mfa). It prints its issuer once it listens.
import { createServer } from "node:http";
import { once } from "node:events";
import { Provider } from "oidc-provider";

const [back] = process.argv.slice(2);
const server = createServer();
server.listen(0, "127.0.0.1");
await once(server, "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{ client_id: "thecal", client_secret: "a-secret-for-tests-alone", redirect_uris: [back] }],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  claims: { openid: ["sub", "acr", "amr"], profile: ["preferred_username", "name"] },
  cookies: { keys: ["for-tests-alone"] },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, preferred_username: id.replace("account-of-", ""), name: "Somebody" }),
  }),
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid profile");
    await grant.save();
    return grant;
  },
});
const answer = provider.callback();

// /interaction/{uid}?as={login}&amr={words}: sign that person in, by those methods; without "as" ask who it is.
server.on("request", async (request, response) => {
  const url = new URL(request.url, issuer);
  if (!url.pathname.startsWith("/interaction/")) { answer(request, response); return; }
  const as = url.searchParams.get("as");
  if (!as) { response.end("who are you?"); return; }
  const amr = (url.searchParams.get("amr") ?? "pwd").split(" ");
  await provider.interactionFinished(request, response, { login: { accountId: `account-of-${as}`, amr } });
});
console.log(issuer);
