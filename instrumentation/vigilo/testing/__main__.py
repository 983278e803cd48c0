"""``python -m vigilo.testing --port 8081``: the local provider for apps in any language."""

from __future__ import annotations

import argparse
import threading

from vigilo.testing import ProviderServer


def main() -> None:
    """Serves until it is interrupted, and says on which addresses."""
    parser = argparse.ArgumentParser(
        prog="python -m vigilo.testing", description="A local LLM provider; no key needed."
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; a free one by default")
    port = parser.parse_args().port
    try:
        server = ProviderServer(port).start()
    except OSError as error:
        parser.error(f"port {port} cannot be used: {error.strerror}")
    try:
        for name, value in server.environment().items():
            print(f"export {name}={value}", flush=True)  # noqa: T201 - the output is the product
        threading.Event().wait()
    except KeyboardInterrupt:
        return
    finally:
        server.stop()


if __name__ == "__main__":
    main()
