"""Starts the stand-alone emulator and talks to its admin endpoint."""

import json
import os
import select
import subprocess

import requests


class Emulator:
    """A running emulator; it ends with the `with` block."""

    def __init__(self, program):
        arguments = [program, "--json", "--port", "0", "--seed", "7"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, text=True)
        try:
            self.world = self._announcement()
        except BaseException:
            self.process.kill()
            raise

    def _announcement(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            raise SystemExit("the emulator did not say where it listens")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.stdout.close()

    def admin(self, operation, **parameters):
        """Tells the emulator what the Rust method of the same name would."""
        admin = self.world["admin"]
        url = f"{admin['url']}/v1/{operation}"
        headers = {"Authorization": f"Bearer {admin['token']}"}
        reply = requests.post(url, json=parameters, headers=headers, timeout=30)
        if not reply.ok:
            raise RuntimeError(f"admin {operation}: {reply.status_code} {reply.text}")
        return reply.json()


def trust(ca):
    """Trust by environment alone, as an operator would give it; nobody else can be reached."""
    os.environ["REQUESTS_CA_BUNDLE"] = ca
    os.environ["SSL_CERT_FILE"] = ca
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        os.environ[name] = "http://127.0.0.1:9"
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = "localhost,127.0.0.1"
