"""The checks, in the order in which they are printed. Each signs in for itself."""

import hashlib
import json
import socket
import ssl
import time
from urllib.parse import urlsplit

import jwt
import msal
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from scene import (
    GRAPH,
    PARTNER_CENTER,
    USER_IMPERSONATION,
    Skipped,
    ensure,
    expect,
    fetched,
    refresh_tokens,
    refused,
    silently,
    succeeded,
    unverified,
)

CACHE, NETWORK = "cache", "identity_provider"
CHECKS = []


def check(name):
    """Puts a check on the list."""

    def listed(function):
        CHECKS.append((name, function))
        return function

    return listed


@check("https")
def https(scene):
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 and later do unasked
    for origin in scene.origins:
        address = urlsplit(origin)
        host = address.hostname
        with socket.create_connection((host, address.port), timeout=30) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
    return f"{len(scene.origins)} origins, chain verified strictly"


@check("discovery")
def discovery(scene):
    for tenant in (scene.partner, scene.customer, "organizations", "common"):
        document = scene.metadata(tenant)
        home = "{tenantid}" if tenant in ("organizations", "common") else tenant
        expect("issuer", document["issuer"], f"{scene.login}/{home}/v2.0")
        base = f"{scene.login}/{tenant}"
        expect("token endpoint", document["token_endpoint"], f"{base}/oauth2/v2.0/token")
        for member in ("authorization_endpoint", "jwks_uri"):
            ensure(document[member].startswith(base), f"{member} is {document[member]}")
        for key in fetched(document["jwks_uri"])["keys"]:
            expect("issuer of a key", key["issuer"], f"{scene.login}/{{tenantid}}/v2.0")
    return "a tenant, a customer, organizations, common"


@check("code flow: form_post")
def code_flow(scene):
    app, person = scene.app(), scene.person()
    account = scene.sign_in(app, person)
    ensure("callback" in person.pages, "no form came back")
    home = f"{scene.user['id']}.{scene.partner}"
    expect("account by client_info", account["home_account_id"], home)
    expect("name of the account", account["username"], scene.user["name"])
    return " > ".join(person.pages)


@check("code flow: query, second sign-in")
def code_flow_by_query(scene):
    person = scene.person()
    scene.sign_in(scene.app(), person, response_mode="query")
    ensure("step-password" in person.pages, "nobody asked for a password")
    scene.sign_in(scene.app(), person, response_mode="query", login_hint=scene.user["name"])
    ensure("step-password" not in person.pages, "the session was forgotten")


@check("code flow: organizations")
def organizations(scene):
    app = scene.app("organizations")
    account = scene.sign_in(app)
    home = f"{scene.user['id']}.{scene.partner}"
    expect("account by client_info", account["home_account_id"], home)
    silently(app, USER_IMPERSONATION, account, CACHE)


@check("PKCE")
def pkce(scene):
    app, person = scene.app(), scene.person()
    for verifier in ("w" * 43, None):
        flow, answer = scene.authorize(app, person)
        flow["code_verifier"] = verifier
        result = app.acquire_token_by_auth_code_flow(flow, answer)
        refused(result, "invalid_grant", None, None, 501481)
    return "a wrong verifier and none are refused: 501481"


@check("silent: from the cache")
def from_the_cache(scene):
    app = scene.app()
    account = scene.sign_in(app)
    first = silently(app, USER_IMPERSONATION, account, CACHE)
    second = silently(app, USER_IMPERSONATION, account, CACHE)
    expect("access token", second["access_token"], first["access_token"])


@check("silent: forced refresh")
def forced_refresh(scene):
    app = scene.app()
    account = scene.sign_in(app)
    before, [old] = silently(app, USER_IMPERSONATION, account, CACHE), refresh_tokens(app)
    after = silently(app, USER_IMPERSONATION, account, NETWORK, force_refresh=True)
    ensure(after["access_token"] != before["access_token"], "the same access token again")
    [new] = refresh_tokens(app)
    ensure(new != old, "the refresh token was not rotated")
    [again] = app.get_accounts()
    expect("account", again["home_account_id"], account["home_account_id"])


@check("silent: a second resource")
def second_resource(scene):
    app = scene.app()
    account = scene.sign_in(app, scopes=[*USER_IMPERSONATION, f"{GRAPH}/User.Read"])
    for scopes in (["User.Read"], [f"{GRAPH}/User.Read"], [f"{GRAPH}/.default"]):
        result = silently(app, scopes, account, NETWORK)
        expect("audience", unverified(result["access_token"])["aud"], GRAPH)
        silently(app, scopes, account, CACHE)
    me = fetched(f"{scene.graph}/v1.0/me", headers=bearer(result))
    expect("user that Graph sees", me["id"], scene.user["id"])
    return "Graph, asked for in three spellings"


@check("silent: a customer tenant")
def customer_tenant(scene):
    cache = msal.TokenCache()
    account = scene.sign_in(scene.app(cache=cache))
    permissions = ["Directory.Read.All", "User.Read"]
    client = scene.vendor["client_id"]
    scene.admin(
        "grant", tenant=scene.customer, client=client, resource=GRAPH, permissions=permissions
    )
    app, scopes = scene.app(scene.customer, cache), [f"{GRAPH}/.default"]
    result = silently(app, scopes, account, NETWORK)
    silently(app, scopes, account, CACHE)
    found = fetched(f"{scene.graph}/v1.0/organization", headers=bearer(result))
    expect("tenant that Graph sees", found["value"][0]["id"], scene.customer)
    home = f"{scene.user['id']}.{scene.partner}"
    expect("accounts", [a["home_account_id"] for a in app.get_accounts()], [home])


@check("silent: a customer without consent")
def customer_without_consent(scene):
    customer = scene.admin("add_customer", partner=scene.partner, name="Woodgrove")["tenant"]
    cache = msal.TokenCache()
    account = scene.sign_in(scene.app(cache=cache))
    app = scene.app(customer, cache)
    result = app.acquire_token_silent_with_error([f"{GRAPH}/.default"], account)
    return refused(result, "invalid_grant", "consent_required", "consent_required", 65001)


@check("certificate: PS256, x5t#S256")
def certificate(scene):
    key, public, _ = certificate_of(scene)
    return by_certificate(scene, {"private_key": key, "public_certificate": public})


@check("certificate: RS256, x5t")
def certificate_of_old(scene):
    key, _, thumbprint = certificate_of(scene)
    return by_certificate(scene, {"private_key": key, "thumbprint": thumbprint})


@check("claims challenge of a resource")
def claims_of_a_resource(scene):
    app = scene.app(client_capabilities=["CP1"])
    account = scene.sign_in(app)
    value = str(int(time.time()))
    challenge = json.dumps({"access_token": {"nbf": {"essential": True, "value": value}}})
    silently(app, USER_IMPERSONATION, account, NETWORK, claims_challenge=challenge)
    return "met silently, past the cache"


@check("claims challenge of a policy")
def claims_of_a_policy(scene):
    tenant, person, user = tenant_of_its_own(scene, "policy.example")
    scene.admin("change_user", tenant=tenant, user=user, mfa="none")
    app = scene.app(tenant, client_capabilities=["CP1"])
    account = scene.sign_in(app, person)
    ensure("step-code" not in person.pages, "a second factor was asked for too early")
    scene.admin("conditional_access", tenant=tenant, require_mfa=True)
    demanded = app.acquire_token_silent_with_error(USER_IMPERSONATION, account, force_refresh=True)
    refused(demanded, "invalid_grant", "basic_action", "basic_action", 50076)
    ensure(demanded.get("claims"), "the refusal carries no claims")
    scene.admin("change_user", tenant=tenant, user=user, mfa="registered")
    account = scene.sign_in(app, person, claims_challenge=demanded["claims"])
    ensure("step-code" in person.pages, "the second factor was not asked for")
    silently(app, USER_IMPERSONATION, account, NETWORK, force_refresh=True)
    return "demanded, sent to authorize, met by a second factor"


@check("refused: MFA is demanded")
def mfa_demanded(scene):
    tenant, person, _ = tenant_of_its_own(scene, "demand.example")
    app = scene.app(tenant)
    account = scene.sign_in(app, person)
    claims = json.dumps({"access_token": {"acrs": {"essential": True, "value": "c1"}}})
    scene.admin("fail", rule={"tenant": tenant}, failure={"aadsts": 50076, "claims": claims})
    result = app.acquire_token_silent_with_error(USER_IMPERSONATION, account, force_refresh=True)
    said = refused(result, "invalid_grant", "basic_action", "basic_action", 50076)
    expect("claims", result.get("claims"), claims)
    return said


@check("refused: a revoked refresh token")
def revoked(scene):
    tenant, person, user = tenant_of_its_own(scene, "revoked.example")
    app = scene.app(tenant)
    account = scene.sign_in(app, person)
    scene.admin("revoke_sessions", tenant=tenant, user=user)
    result = app.acquire_token_silent_with_error(USER_IMPERSONATION, account, force_refresh=True)
    said = refused(result, "invalid_grant", "bad_token", "", 50173)
    scene.sign_in(scene.app(tenant), person)
    ensure("step-password" in person.pages, "the browser's session outlived its revocation")
    return said


@check("v1: discovery, keys, token")
def version_one(scene):
    document = scene.metadata(scene.partner, version="")
    expect("issuer", document["issuer"], f"https://sts.windows.net/{scene.partner}/")
    app = scene.app()
    account = scene.sign_in(app)
    token = silently(app, USER_IMPERSONATION, account, CACHE)["access_token"]
    verify_version_one(scene, token, document["issuer"])
    [refresh_token] = refresh_tokens(app)
    reply = redeemed_at_version_one(scene, document["token_endpoint"], refresh_token)
    for member in ("expires_in", "expires_on", "not_before"):
        ensure(isinstance(reply[member], str), f"{member} is not a string")
    expect("resource", reply["resource"], PARTNER_CENTER)
    verify_version_one(scene, reply["access_token"], document["issuer"])


@check("ID token: kid")
def id_token_kid(scene):
    token, _ = scene.id_token
    key = scene.published(scene.partner).get_signing_key_from_jwt(token)
    return f"published: {key.key_id[:12]}…"


@check("ID token: signature")
def id_token_signature(scene):
    token, _ = scene.id_token
    try:
        key = scene.published(scene.partner).get_signing_key_from_jwt(token)
    except jwt.PyJWKClientError as error:
        raise Skipped("its kid names no key") from error
    options = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss")}
    jwt.decode(token, key, algorithms=["RS256"], options=options)


@check("ID token: issuer")
def id_token_issuer(scene):
    issuer = scene.metadata(scene.partner)["issuer"]
    verified_alone(scene, "iss", issuer=issuer)
    return issuer


@check("ID token: audience")
def id_token_audience(scene):
    client = scene.vendor["client_id"]
    verified_alone(scene, "aud", audience=client)
    return client


@check("ID token: expiry")
def id_token_expiry(scene):
    verified_alone(scene, "exp", "nbf", "iat")


@check("ID token: nonce")
def id_token_nonce(scene):
    token, nonce = scene.id_token
    hashed = hashlib.sha256(nonce.encode()).hexdigest()
    expect("nonce", unverified(token).get("nonce"), hashed)
    return "the hash that MSAL sent"


def verified_alone(scene, *claims, **expected):
    """Lets PyJWT judge some claims only, so that each fault is seen by the check of its name."""
    token, _ = scene.id_token
    options = {"verify_signature": False, "require": list(claims)}
    options |= {f"verify_{claim}": True for claim in claims}
    jwt.decode(token, options=options, **expected)


def verify_version_one(scene, token, issuer):
    """A whole verification of a v1.0 token, by the keys of the v1 discovery document."""
    key = scene.published(scene.partner, version="").get_signing_key_from_jwt(token)
    required = {"require": ["exp", "nbf", "iat", "aud", "iss"]}
    claims = jwt.decode(
        token, key, algorithms=["RS256"], audience=PARTNER_CENTER, issuer=issuer, options=required
    )
    expect("ver", claims["ver"], "1.0")
    ensure("mfa" in claims["amr"], "amr does not say mfa")


def redeemed_at_version_one(scene, endpoint, refresh_token):
    fields = {
        "grant_type": "refresh_token",
        "client_id": scene.vendor["client_id"],
        "client_secret": scene.vendor["secret"],
        "refresh_token": refresh_token,
        "resource": PARTNER_CENTER,
    }
    return succeeded(requests.post(endpoint, data=fields, timeout=30).json())


def by_certificate(scene, credential):
    client = scene.vendor["certificate_client_id"]
    app = scene.app(client_id=client, client_credential=credential)
    account = scene.sign_in(app)
    silently(app, USER_IMPERSONATION, account, NETWORK, force_refresh=True)
    return "code and refresh token"


def certificate_of(scene):
    """Key and certificate as PEM texts, with the older thumbprint."""
    with open(scene.vendor["certificate"], encoding="ascii") as file:
        text = file.read()
    begin = text.index("-----BEGIN CERTIFICATE-----")
    end = text.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----\n")
    public = text[begin:end]
    thumbprint = x509.load_pem_x509_certificate(public.encode()).fingerprint(hashes.SHA1())
    return text[:begin] + text[end:], public, thumbprint.hex()


def tenant_of_its_own(scene, domain):
    """A new tenant with one person, so that no check disturbs another."""
    tenant = scene.admin("add_tenant", name=domain)["tenant"]
    return tenant, *scene.newcomer(tenant, domain)


def bearer(result):
    return {"Authorization": f"Bearer {result['access_token']}"}
