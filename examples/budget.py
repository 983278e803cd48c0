"""A budget that refuses: one user may make three calls a day, and all users may spend a cent.

    python examples/budget.py

It needs no key: the provider is a local one, and rules and counts are kept in a folder that is gone at the end.
"""

from __future__ import annotations

import os
import tempfile

import openai

import vigilo
from vigilo.testing import ProviderServer


def ask(client: openai.OpenAI, user: str) -> None:
    with vigilo.track(user=user), vigilo.balance() as balance:
        try:
            client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}], max_tokens=50
            )
        except vigilo.QuotaExceeded as refused:
            print(f"  {user}: refused, {refused.metric} of {refused.scope}; again after {refused.resets_at}")
            return
    print(f"  {user}: {balance.delta.tokens} tokens, {balance.remaining.usd:.6f} USD of the budget are left")


def main() -> None:
    vigilo.quota.set(metric="requests", limit=3, window="day", user="ada", mode="block")
    vigilo.quota.set(metric="usd", limit=0.01, window="day", mode="block")
    with ProviderServer() as provider, openai.OpenAI(base_url=provider.openai_url, api_key="none") as client:
        for user in ("ada", "ada", "ada", "ada", "bob"):
            ask(client, user)
    for status in vigilo.quota.status(user="ada"):
        print(f"{status.rule}: {status.used:g} used, {status.remaining:g} left, until {status.resets_at}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VIGILO_HOME"] = folder
        main()
