"""What every check starts from: the emulated world, MSAL as it comes, people who sign in."""

import json
from functools import cached_property

import jwt
import msal
import requests
from msal.oauth2cli.oidc import decode_part

from person import Person

PARTNER_CENTER = "https://api.partnercenter.microsoft.com"
GRAPH = "https://graph.microsoft.com"
USER_IMPERSONATION = [f"{PARTNER_CENTER}/user_impersonation"]


class Wrong(Exception):
    """A check found something that is not as it must be."""


class Skipped(Exception):
    """A check has nothing to look at because of what another check says."""


def expect(what, actual, wanted):
    """Says what differs."""
    if actual != wanted:
        raise Wrong(f"{what}: {actual!r} instead of {wanted!r}")


def ensure(true, what):
    """Says what does not hold."""
    if not true:
        raise Wrong(what)


def succeeded(result):
    """The result, if MSAL got tokens."""
    if result is None:
        raise Wrong("MSAL found nothing to redeem")
    if "error" in result:
        raise Wrong(f"{result['error']}: {result.get('error_description', '')}".splitlines()[0])
    return result


def refused(result, error, suberror, classification, number):
    """Checks a refusal as MSAL hands it on."""
    ensure(result is not None and "error" in result, "it was not refused")
    expect("error", result["error"], error)
    expect("suberror", result.get("suberror"), suberror)
    expect("classification", result.get("classification"), classification)
    expect("error_codes", result.get("error_codes"), [number])
    return f"{error}, suberror {suberror}, classification {classification!r}, {number}"


class Scene:
    """The emulator's world as its users see it."""

    def __init__(self, emulator):
        world = emulator.world
        self.admin = emulator.admin
        self.origins = list(world["https"].values())
        self.login = world["https"]["login"]
        self.graph = world["https"]["graph"]
        self.vendor = world["vendor"]
        self.partner = world["partner"]["tenant"]
        self.domain = world["partner"]["domain"]
        self.user = world["partner"]["user"]
        self.customer = world["customers"][0]["tenant"]
        self.redirect_uri = self.vendor["redirect_uri"]

    def person(self):
        """The partner's user before a browser that nobody has used."""
        return Person(self.user["name"], self.user["password"], self.user["code"])

    def newcomer(self, tenant, domain):
        """Somebody else of a tenant, with their object id."""
        user = self.admin("add_user", tenant=tenant, name=f"newcomer@{domain}")
        return Person(user["name"], user["password"], user["code"]), user["id"]

    def app(self, tenant=None, cache=None, **options):
        """MSAL with the vendor's secret, unless the options say otherwise."""
        options.setdefault("client_id", self.vendor["client_id"])
        options.setdefault("client_credential", self.vendor["secret"])
        return msal.ConfidentialClientApplication(
            authority=f"{self.login}/{tenant or self.partner}",
            instance_discovery=False,
            token_cache=cache,
            timeout=30,
            **options,
        )

    def authorize(self, app, person, scopes=USER_IMPERSONATION, **asked):
        """Walks the pages: MSAL's flow, and what came back to the application."""
        asked.setdefault("response_mode", "form_post")
        flow = app.initiate_auth_code_flow(scopes, redirect_uri=self.redirect_uri, **asked)
        return flow, person.walk(flow["auth_uri"], self.redirect_uri)

    def sign_in(self, app, person=None, scopes=USER_IMPERSONATION, **asked):
        """Signs in and redeems the code; the account as MSAL's cache has it."""
        flow, answer = self.authorize(app, person or self.person(), scopes, **asked)
        succeeded(app.acquire_token_by_auth_code_flow(flow, answer, scopes=scopes[:1]))
        [account] = app.get_accounts()
        return account

    @cached_property
    def id_token(self):
        """One ID token with the nonce that MSAL sent for it."""
        app = self.app()
        flow, answer = self.authorize(app, self.person())
        result = succeeded(app.acquire_token_by_auth_code_flow(flow, answer))
        return result["id_token"], flow["nonce"]

    def metadata(self, tenant, version="/v2.0"):
        """A discovery document."""
        return fetched(f"{self.login}/{tenant}{version}/.well-known/openid-configuration")

    def published(self, tenant, version="/v2.0"):
        """PyJWT's JWKS client for the keys that the discovery document points to."""
        return jwt.PyJWKClient(self.metadata(tenant, version)["jwks_uri"])


def fetched(url, **options):
    """JSON by GET."""
    reply = requests.get(url, timeout=30, **options)
    expect(f"status of {url}", reply.status_code, 200)
    return reply.json()


def unverified(token):
    """What a token says, for looking only."""
    return json.loads(decode_part(token.split(".")[1]))


def silently(app, scopes, account, source, **options):
    """A silent acquisition that must come from the cache or from the network."""
    result = succeeded(app.acquire_token_silent_with_error(scopes, account, **options))
    expect("source of the token", result["token_source"], source)
    return result


def refresh_tokens(app):
    """The refresh tokens in MSAL's cache."""
    kind = msal.TokenCache.CredentialType.REFRESH_TOKEN
    return [entry["secret"] for entry in app.token_cache.search(kind)]
