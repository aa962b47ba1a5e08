// A certified OpenID provider that is not ours, for one test. What it needs to know comes by the environment.
import Provider from 'oidc-provider';

const { PORT, REDIRECT_URI, BROWSER_SECRET, SYSTEM_SECRET, AUDIENCE } = process.env;
const granted = { roles: ['DVDS-Officers', 'Payroll'], force: 'northmoor' };

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  clients: [
    { client_id: 'clares-law-browser', client_secret: BROWSER_SECRET, redirect_uris: [REDIRECT_URI] },
    {
      client_id: 'control-room-system',
      client_secret: SYSTEM_SECRET,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
  ],
  pkce: { required: () => true },
  claims: { openid: ['sub', 'realm_access', 'force'], profile: ['name'] },
  conformIdTokenClaims: false,
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `Person ${id}`, realm_access: { roles: granted.roles }, force: granted.force }),
  }),
  extraTokenClaims: () => ({ realm_access: { roles: ['control_room'] }, force: granted.force }),
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({ scope: 'cases', audience: AUDIENCE, accessTokenFormat: 'jwt' }),
    },
  },
});

provider.listen(Number(PORT), '127.0.0.1', () => console.log('listening'));
