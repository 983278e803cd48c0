"""The interactions that run on in the background, whose tokens are told only to who fetches them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vigilo.capture.call import Response
    from vigilo.capture.parse.endpoint import Fold

_KEEPS = 10_000


class Unfinished:
    """The interactions of this process that ran on in the background when they were last told of; of many, the latest.

    Only of these the tokens are counted when they are fetched: those of others were told with their first answer.
    """

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def __contains__(self, interaction_id: object) -> bool:
        return interaction_id in self._ids

    def add(self, interaction_id: str) -> None:
        self._ids[interaction_id] = None
        if len(self._ids) > _KEEPS:
            self._ids.pop(next(iter(self._ids)), None)

    def discard(self, interaction_id: str) -> None:
        self._ids.pop(interaction_id, None)


class NotingFold:
    """A stream that may break off while its interaction runs on: then its tokens are told to who fetches it."""

    __slots__ = ("_fold", "_unfinished", "add")

    def __init__(self, fold: Fold, unfinished: Unfinished) -> None:
        self._fold = fold
        self._unfinished = unfinished
        self.add = fold.add

    def response(self) -> Response:
        response = self._fold.response()
        if response.id is not None and response.usage.input_tokens is None:
            self._unfinished.add(response.id)
        elif response.id is not None:
            self._unfinished.discard(response.id)
        return response
