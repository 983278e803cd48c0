"""Whether the body of a request can be sent once more."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from vigilo.capture.bodies import Replay


def options(content=None, files=None):
    return SimpleNamespace(content=content, files=files)


@pytest.mark.parametrize(
    "given",
    [
        options(),
        options(b"bytes"),
        options(files={"file": b"bytes"}),
        options(files=[("file", ("name", "text", "audio/wav"))]),
        options([b"a", b"b"]),
        None,
    ],
)
def test_what_is_plain_can_be_sent_again(given):
    assert Replay(given).is_possible


def test_files_are_put_back_to_where_they_were():
    first, second = io.BytesIO(b"header and body"), io.BytesIO(b"all of it")
    first.seek(7)
    replay = Replay(options(files=[("a", ("name", first)), ("b", second)]))
    assert replay.is_possible
    assert (first.read(), second.read()) == (b"and body", b"all of it")
    replay.rewind()
    assert (first.read(), second.read()) == (b"and body", b"all of it")


def test_what_can_be_read_once_cannot_be_sent_again():
    class Pipe(io.RawIOBase):
        def readable(self):
            return True

    closed = io.BytesIO()
    closed.close()
    for once in (Pipe(), closed, (part for part in [b"a"]), SimpleNamespace(read=lambda: b"")):
        assert not Replay(options(once)).is_possible
        assert not Replay(options(files={"file": ("name", once)})).is_possible
