"""A person with a browser: walks the emulator's sign-in pages over HTTPS."""

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests


class Stuck(Exception):
    """The pages led nowhere."""


class Person:
    """Somebody who can sign in, with a browser that keeps its cookies."""

    def __init__(self, name, password, code):
        self.name, self.password, self.code = name, password, code
        self.browser = requests.Session()
        self.pages = []

    def walk(self, auth_uri, redirect_uri):
        """Follows the pages from an authorize address to what comes back to the application."""
        self.pages = []
        reply = self._fetch("GET", auth_uri)
        for _ in range(12):
            if reply.is_redirect:
                target = urljoin(reply.url, reply.headers["location"])
                if _same_address(target, redirect_uri):
                    return dict(parse_qsl(urlsplit(target).query))
                reply = self._fetch("GET", target)
                continue
            form = Form.of(reply.text)
            self.pages.append(form.id)
            if form.id == "callback":
                _stay_at(form.action, redirect_uri)
                return form.hidden
            fields = {**form.hidden, **self._answer(form)}
            reply = self._fetch("POST", urljoin(reply.url, form.action), fields)
        raise Stuck("more than twelve pages: " + ", ".join(self.pages))

    def _fetch(self, method, url, fields=None):
        return self.browser.request(method, url, data=fields, allow_redirects=False, timeout=30)

    def _answer(self, form):
        if form.alert:
            raise Stuck(form.alert)
        match form.id:
            case "step-account":
                return {"answer": "continue"}
            case "step-name":
                return {"name": self.name, "answer": "next"}
            case "step-password":
                return {"password": self.password, "answer": "next"}
            case "step-code":
                return {"code": self.code, "answer": "next"}
            case "step-consent":
                return {"answer": "next"}
            case other:
                raise Stuck(f"a page that nobody expected: {other or form.text}")


class Form(HTMLParser):
    """The first form of a page, what it hides, and what the page says."""

    def __init__(self):
        super().__init__()
        self.id, self.action, self.hidden = "", "", {}
        self.alert, self._said, self._alerting = "", [], False

    @classmethod
    def of(cls, page):
        form = cls()
        form.feed(page)
        return form

    @property
    def text(self):
        return " ".join(self._said)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form" and not self.action:
            self.id, self.action = given.get("id", ""), given.get("action", "")
        elif tag == "input" and given.get("type") == "hidden":
            self.hidden[given["name"]] = given.get("value", "")
        self._alerting = given.get("role") == "alert"

    def handle_data(self, data):
        said = data.strip()
        if said:
            self._said.append(said)
        if said and self._alerting:
            self.alert = said


def _same_address(url, redirect_uri):
    return url.split("?")[0] == redirect_uri.split("?")[0]


def _stay_at(action, redirect_uri):
    if action != redirect_uri:
        raise Stuck(f"the answer is posted to {action}")
