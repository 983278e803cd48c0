"""The only module that touches spans and instruments: turns a call into one span and its metric records."""

from __future__ import annotations

import time
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind, StatusCode, get_tracer, set_span_in_context

from vigilo import semconv
from vigilo.capture.call import Request, Response
from vigilo.capture.context import current
from vigilo.capture.instruments import SCOPE, Instruments, vigilo_version
from vigilo.errors import internal_errors
from vigilo.policy.mask import mask_clip, messages_json
from vigilo.policy.pricing import call_cost, warm_up
from vigilo.policy.pseudonym import load_key, user_pseudonym
from vigilo.settings import Settings, app_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry import context as otel_context
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from vigilo.capture.call import Usage

ERROR_MESSAGE_MAX_CHARS = 500
_REQUEST_ID_HEADERS = ("x-request-id", "request-id")
_PARTS_OF_USAGE = (
    ("cache_read_tokens", semconv.USAGE_CACHE_READ_INPUT_TOKENS),
    ("cache_write_tokens", semconv.USAGE_CACHE_WRITE_INPUT_TOKENS),
    ("output_reasoning_tokens", semconv.USAGE_REASONING_OUTPUT_TOKENS),
    ("input_audio_tokens", semconv.USAGE_AUDIO_INPUT_TOKENS),
    ("output_audio_tokens", semconv.USAGE_AUDIO_OUTPUT_TOKENS),
)


class Recorder:
    """Begins recordings of calls with the providers of one instrumentation.

    Args:
        tracer_provider: where spans go; the global provider by default.
        meter_provider: where metrics go; the global provider by default.
        logger_provider: where events go; the global provider by default.
        settings: the user's settings by default.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or app_settings()
        self.tracer = get_tracer(SCOPE, vigilo_version(), tracer_provider, semconv.SCHEMA_URL)
        self.instruments = Instruments(meter_provider, logger_provider)

    @property
    def wants_content(self) -> bool:
        """Whether messages go on spans at all."""
        return self.settings.content != "off"

    def begin(self, request: Request, started_s: float | None = None) -> Recording:
        """Starts the span of a call that is about to be sent; the price table loads beside the first request.

        ``started_s``: when the call began, on the clock of ``time.perf_counter``; now by default.
        """
        warm_up()
        return Recording(self, request, started_s)


@cache
def default_recorder() -> Recorder:
    """The recorder on the global providers, for ``track`` blocks without any instrumentor."""
    return Recorder()


class Recording:
    """One call being recorded. It ends once: of ``finish`` and ``fail`` the first one counts.

    The span is never attached across the reading of a stream: a stream may outlive the caller's frame and must not
    adopt the caller's next spans. ``attempts`` counts HTTP requests, ``chunks`` those of a stream, with the clock
    (``time.perf_counter``) at the first and the last; the hooks and the stream's end keep them.
    """

    __slots__ = (
        "_labels",
        "_open",
        "_recorder",
        "_request",
        "_span",
        "_started_s",
        "_wall_s",
        "attempts",
        "chunks",
        "first_chunk_s",
        "last_chunk_s",
        "request_id",
    )

    def __init__(self, recorder: Recorder, request: Request, started_s: float | None = None) -> None:
        labels: dict[str, Any] = {
            semconv.OPERATION_NAME: request.operation,
            semconv.PROVIDER_NAME: request.provider,
        }
        if request.model:
            labels[semconv.REQUEST_MODEL] = request.model
        if request.server_address:
            labels[semconv.SERVER_ADDRESS] = request.server_address
            if request.server_port:
                labels[semconv.SERVER_PORT] = request.server_port
        attributes = {**labels, **request.parameters, **self._who(recorder, request)}
        if request.stream:
            attributes[semconv.REQUEST_STREAM] = True
        name = f"{request.operation} {request.model}" if request.model else request.operation
        self._recorder, self._request, self._labels = recorder, request, labels
        now_s = time.perf_counter()
        self._started_s = now_s if started_s is None else started_s
        self._wall_s = time.time() - (now_s - self._started_s)
        self._span = recorder.tracer.start_span(
            name, kind=SpanKind.CLIENT, attributes=attributes, start_time=int(self._wall_s * 1e9)
        )
        self.first_chunk_s = self.last_chunk_s = 0.0
        self.chunks = self.attempts = 0
        self.request_id: str | None = None
        self._open = [True]

    @staticmethod
    def _who(recorder: Recorder, request: Request) -> dict[str, Any]:
        tracked = current()
        if tracked is None:
            return {semconv.CONVERSATION_ID: request.conversation_id} if request.conversation_id else {}
        known = {
            semconv.USER_ID: _user_id(tracked.user, recorder.settings),
            semconv.CONVERSATION_ID: tracked.conversation or request.conversation_id,
            semconv.SESSION_ID: tracked.session,
            semconv.VIGILO_OPERATION: tracked.operation,
            semconv.VIGILO_TAGS: [f"{name}={value}" for name, value in tracked.tags.items()] or None,
        }
        return {name: value for name, value in known.items() if value is not None}

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return not self._open

    def _is_first_end(self) -> bool:
        """True once: ``pop`` is one step, also for two threads. A lock would hang where a finalizer runs inside it."""
        try:
            return self._open.pop()
        except IndexError:
            return False

    def context(self) -> otel_context.Context:
        """The context in which the request is sent, so that spans of the HTTP client lie under the call's."""
        return set_span_in_context(self._span)

    def headers(self, headers: Mapping[str, str]) -> None:
        """Notes what the headers of a response tell."""
        for name in _REQUEST_ID_HEADERS:
            if (value := headers.get(name)) is not None:
                self.request_id = value
                return

    def finish(self, response: Response) -> None:
        """Ends the recording with the answer, or with what there is of it."""
        if not self._is_first_end():
            return
        with internal_errors("recording a call"):
            self._set_response(response)
        self._end(response.usage, {})

    def fail(self, error: BaseException, response: Response | None = None) -> None:
        """Ends the recording with the error that the app sees, and what came before it."""
        if not self._is_first_end():
            return
        response = response or Response()
        self.request_id = self.request_id or getattr(error, "request_id", None)
        kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        with internal_errors("recording a failed call"):
            self._set_response(response)
            self._span.set_attribute(semconv.ERROR_TYPE, kind)
            status = getattr(error, "status_code", None) or getattr(error, "code", None)
            if isinstance(status, int):
                self._span.set_attribute(semconv.HTTP_STATUS_CODE, status)
            # Providers quote the request in their messages, so the text is masked like content.
            message = mask_clip(str(error), ERROR_MESSAGE_MAX_CHARS) if self._recorder.wants_content else None
            self._span.set_status(StatusCode.ERROR, message)
            self._recorder.instruments.emit_exception(kind, message, self._labels, self.context())
        self._end(response.usage, {semconv.ERROR_TYPE: kind})

    def _set_response(self, response: Response) -> None:
        if response.model:
            self._labels[semconv.RESPONSE_MODEL] = response.model
        cost = self._cost(response)  # counted also where the span is not sampled
        if not self._span.is_recording():
            return
        usage = response.usage
        known: dict[str, Any] = {
            semconv.RESPONSE_ID: response.id,
            semconv.RESPONSE_MODEL: response.model,
            semconv.RESPONSE_FINISH_REASONS: response.finish_reasons or None,
            semconv.REQUEST_ID: self.request_id,
            semconv.RESEND_COUNT: self.attempts - 1 if self.attempts > 1 else None,
            semconv.RESPONSE_TIME_TO_FIRST_CHUNK: self.first_chunk_s - self._started_s if self.chunks else None,
            semconv.USAGE_INPUT_TOKENS: usage.input_tokens,
            semconv.USAGE_OUTPUT_TOKENS: usage.output_tokens,
            # Parts that are 0 are left out: providers list many kinds that a call never had.
            **{name: getattr(usage, field) or None for field, name in _PARTS_OF_USAGE},
            **response.attributes,
            **cost,
            **self._content(response),
        }
        self._span.set_attributes({name: value for name, value in known.items() if value is not None})

    def _content(self, response: Response) -> dict[str, str]:
        settings = self._recorder.settings
        if settings.content == "off":
            return {}
        content = {
            semconv.INPUT_MESSAGES: self._request.input,
            semconv.OUTPUT_MESSAGES: response.output,
            semconv.SYSTEM_INSTRUCTIONS: self._request.system,
            semconv.TOOL_DEFINITIONS: self._request.tools,
        }
        return {
            name: messages_json(messages, content=settings.content, max_chars=settings.content_max_chars)
            for name, messages in content.items()
            if messages
        }

    def _cost(self, response: Response) -> dict[str, Any]:
        """The attributes that tell the price, which is added to the metric; without tokens there is none to tell."""
        usage = response.usage
        if usage.input_tokens is None and usage.output_tokens is None:
            return {}
        cost = None
        for model in (response.model, self._request.model):
            if model and cost is None:
                cost = call_cost(self._request.provider, model, usage, response.service_tier, self._wall_s)
        if cost is None:
            return {semconv.COST_UNPRICED: True}
        cost_usd = float(cost.usd)
        self._recorder.instruments.cost.add(cost_usd, self._labels)
        return {semconv.USAGE_COST: cost_usd, semconv.COST_SOURCE: cost.source, semconv.COST_SNAPSHOT: cost.snapshot}

    def _end(self, usage: Usage, more: dict[str, str]) -> None:
        with internal_errors("recording metrics of a call"):
            self._recorder.instruments.record_call(
                {**self._labels, **more},
                usage,
                duration_s=time.perf_counter() - self._started_s,
                first_chunk_s=self.first_chunk_s - self._started_s if self.chunks else None,
                chunk_gap_s=self._chunk_gap_s(),
            )
        with internal_errors("ending a span"):  # somebody's span processor may raise in it
            self._span.end()

    def _chunk_gap_s(self) -> float | None:
        """The mean time between chunks; None for fewer than two."""
        if self.chunks < 2:
            return None
        return (self.last_chunk_s - self.first_chunk_s) / (self.chunks - 1)


def _user_id(user: str | None, settings: Settings) -> str | None:
    if user is None or settings.user_ids == "plain":
        return user
    return _pseudonym(user, settings)


@lru_cache(maxsize=4096)
def _pseudonym(user: str, settings: Settings) -> str:
    return user_pseudonym(user, load_key(settings.home))
