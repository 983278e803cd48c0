"""The only module that touches spans and instruments: turns a call into one span and its metric records."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind, StatusCode, get_tracer, set_span_in_context

from vigilo import semconv
from vigilo.capture import forks
from vigilo.capture.bill import bill, used
from vigilo.capture.call import Request, Response
from vigilo.capture.content import Content
from vigilo.capture.context import balances
from vigilo.capture.headers import told_by
from vigilo.capture.instruments import SCOPE, Instruments, details_event, labels_of, vigilo_version
from vigilo.capture.neighbours import in_charge
from vigilo.capture.who import conversation_of, who
from vigilo.errors import VigiloError, internal_errors
from vigilo.policy.mask import mask_clip
from vigilo.policy.mask.labels import mask_label
from vigilo.policy.pricing import warm_up
from vigilo.settings import Settings, app_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry import context as otel_context
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from vigilo.capture.attempts import Attempt
    from vigilo.capture.gate import Admission
    from vigilo.capture.instruments import Labels

ERROR_MESSAGE_MAX_CHARS = 500
_PARTS_OF_USAGE = (
    ("cache_read_tokens", semconv.USAGE_CACHE_READ_INPUT_TOKENS),
    ("cache_write_tokens", semconv.USAGE_CACHE_WRITE_INPUT_TOKENS),
    ("output_reasoning_tokens", semconv.USAGE_REASONING_OUTPUT_TOKENS),
    ("input_audio_tokens", semconv.USAGE_AUDIO_INPUT_TOKENS),
    ("output_audio_tokens", semconv.USAGE_AUDIO_OUTPUT_TOKENS),
    ("input_image_tokens", semconv.USAGE_IMAGE_INPUT_TOKENS),
    ("output_image_tokens", semconv.USAGE_IMAGE_OUTPUT_TOKENS),
    ("input_video_tokens", semconv.USAGE_VIDEO_INPUT_TOKENS),
    ("cache_audio_read_tokens", semconv.USAGE_AUDIO_CACHE_READ_INPUT_TOKENS),
    ("cache_image_read_tokens", semconv.USAGE_IMAGE_CACHE_READ_INPUT_TOKENS),
    ("input_audio_seconds", semconv.USAGE_AUDIO_INPUT_SECONDS),
    ("input_characters", semconv.USAGE_INPUT_CHARACTERS),
    ("output_images", semconv.USAGE_OUTPUT_IMAGES),
    ("web_searches", semconv.USAGE_WEB_SEARCHES),
    ("file_searches", semconv.USAGE_FILE_SEARCHES),
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
        self.content = Content(self.settings)
        self.tracer = get_tracer(SCOPE, vigilo_version(), tracer_provider, semconv.SCHEMA_URL)
        self.instruments = Instruments(meter_provider, logger_provider)

    @property
    def wants_content(self) -> bool:
        """Whether messages are worth reading at all."""
        return self.content.wanted

    def begin(self, request: Request, started_s: float | None = None) -> Recording:
        """Starts the span of a call that is about to be sent; the price table loads beside the first request.

        Where somebody else records this call, what is returned tells nothing of it.
        ``started_s``: when the call began, on the clock of ``time.perf_counter``; now by default.
        """
        if in_charge(request.operation):
            from vigilo.capture.aside import Aside

            return Aside(self, request)
        warm_up()
        return Recording(self, request, started_s)


@cache
def default_recorder() -> Recorder:
    """The recorder on the global providers, for ``track`` blocks without any instrumentor."""
    return Recorder()


class Recording:
    """One call being recorded. It ends once: of ``finish`` and ``fail`` the first one counts.

    In a forked process it never ends: the call is its parent's.

    The span is never attached across the reading of a stream: a stream may outlive the caller's frame and must not
    adopt the caller's next spans. The hooks and the stream's end keep the counts: ``attempts`` of HTTP requests with
    the ``resent`` ones among them, ``chunks`` of a stream with the clock (``time.perf_counter``) at the first and the
    last, and the ``headers`` of the response. ``admissions``: what the gate's guards keep of the call until it ends.
    """

    __slots__ = (
        "_attributes",
        "_balances",
        "_forks",
        "_numbers",
        "_open",
        "_recorder",
        "_span",
        "_started_s",
        "admissions",
        "attempts",
        "chunks",
        "first_chunk_s",
        "headers",
        "last_chunk_s",
        "request",
        "resent",
    )
    is_aside = False
    """Whether somebody else records the call, and this only goes along."""

    def __init__(self, recorder: Recorder, request: Request, started_s: float | None = None) -> None:
        content = recorder.content
        labels = _labels(request).call
        attributes = {**labels, **content.parameters(request.parameters), **who(recorder.settings, request)}
        if request.stream:
            attributes[semconv.REQUEST_STREAM] = True
        now_s = time.perf_counter()
        self._started_s = now_s if started_s is None else started_s
        self._recorder, self.request, self._attributes = recorder, request, attributes
        self._span = recorder.tracer.start_span(
            f"{request.operation} {labels[semconv.REQUEST_MODEL]}" if request.model else request.operation,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=None if started_s is None else time.time_ns() - int((now_s - started_s) * 1e9),
        )
        self.chunks = self.attempts = 0
        self.first_chunk_s = self.last_chunk_s = 0.0
        self.resent: list[Attempt] = []
        self.headers: Any = None
        self.admissions: tuple[Admission, ...] = ()
        self._open, self._forks = [True], forks.count
        self._balances = balances()
        self._numbers = content.numbers(conversation_of(request)) if content.is_numbered else None

    @property
    def ended(self) -> bool:
        """Whether it has ended, or is another process's."""
        return not self._open or self._forks != forks.count

    def _is_first_end(self) -> bool:
        """True once: ``pop`` is one step, also for two threads. A lock would hang where a finalizer runs inside it."""
        try:
            return self._open.pop() and self._forks == forks.count
        except IndexError:
            return False

    @property
    def idle_limit_s(self) -> float:
        """Seconds that a stream may be kept unread; 0: for ever."""
        return self._recorder.settings.stream_idle_s

    def context(self) -> otel_context.Context:
        """The context in which the request is sent, so that spans of the HTTP client lie under the call's."""
        return set_span_in_context(self._span)

    def finish(self, response: Response) -> None:
        """Ends the recording with the answer, or with what there is of it."""
        if not self._is_first_end():
            return
        if response.error is None:
            self._end(response, None, {}, response)
            return
        kind, text = mask_label(response.error[0]), response.error[1]
        with internal_errors("recording an answer that is an error"):
            self._fail_span(kind, text)
        self._end(response, kind, {semconv.ERROR_TYPE: kind}, response)

    def fail(self, error: BaseException, response: Response | None = None) -> None:
        """Ends the recording with the error that the app sees, and what came before it."""
        if not self._is_first_end():
            return
        kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        more: dict[str, Any] = {semconv.ERROR_TYPE: kind}
        with internal_errors("recording a failed call"):
            if self.headers is None:
                self.headers = getattr(getattr(error, "response", None), "headers", None)
            status = getattr(error, "status_code", None) or getattr(error, "code", None)
            if isinstance(status, int) and status < 600:  # a websocket is closed with codes from 1000 on
                more[semconv.HTTP_STATUS_CODE] = int(status)  # some have an enum of them
            self._fail_span(kind, str(error))
            if isinstance(error, VigiloError):
                from vigilo.capture.refusals import told_of

                attributes, events = told_of(error)
                more.update(attributes)
                self._tell_events(events.items())
        self._end(response or Response(), kind, more, response, error)

    def _fail_span(self, kind: str, text: str) -> None:
        # Providers quote the request in their messages, so the text is masked like content.
        message = None
        if self._recorder.wants_content:
            message = mask_clip(text, ERROR_MESSAGE_MAX_CHARS, "", self._numbers)
        self._span.set_status(StatusCode.ERROR, message)
        self._recorder.instruments.emit_exception(kind, message, _labels(self.request, None, kind), self.context())

    def _end(
        self,
        response: Response,
        kind: str | None,
        more: dict[str, Any],
        answer: Response | None,
        error: BaseException | None = None,
    ) -> None:
        """``response``: what there is of an answer; ``answer``: the same, or None where nothing came back."""
        duration_s = time.perf_counter() - self._started_s
        cost: dict[str, Any] = {}
        with internal_errors("pricing a call"):
            cost = bill(self.request, response, time.time() - duration_s)
        settled = self._settle(answer, cost.get(semconv.USAGE_COST), error)
        more.update(settled)
        with internal_errors("recording a call"):
            if self._span.is_recording():
                self._tell(response, {**more, **cost})
        with internal_errors("recording metrics of a call"):
            self._recorder.instruments.record_call(
                _labels(self.request, response.model, kind),
                response.usage,
                duration_s=duration_s,
                first_chunk_s=self.first_chunk_s - self._started_s if self.chunks else None,
                chunk_gap_s=self._chunk_gap_s(),
                cost_usd=cost.get(semconv.USAGE_COST),
                unpriced=semconv.COST_UNPRICED in cost,
                waited_s=settled.get(semconv.PACE_WAIT),
            )
        with internal_errors("ending a span"):  # somebody's span processor may raise in it
            self._span.end()

    def _settle(self, answer: Response | None, cost_usd: float | None, error: BaseException | None) -> dict[str, Any]:
        """Tells the gate's guards, and the balances, how the call ended; returns what the guards tell of it."""
        told: dict[str, Any] = {}
        for one in self._balances:
            with internal_errors("counting a call in a balance"):
                one.count(self.request, answer, cost_usd, error)
        admissions, self.admissions = self.admissions, ()
        for admission in admissions:
            with internal_errors("settling a call"):
                settled = admission.settle(self.request, answer, cost_usd, error)
                told.update(settled.attributes)
                self._tell_events(settled.events)
        return told

    def _tell_events(self, events: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        for name, attributes in events:
            self._span.add_event(name, attributes)

    def _tell(self, response: Response, more: dict[str, Any]) -> None:
        """Puts what is known of the call on its span, and on its event."""
        usage, told = used(self.request, response), more
        if response.id:
            told[semconv.RESPONSE_ID] = response.id
        if response.model:
            told[semconv.RESPONSE_MODEL] = mask_label(response.model)
        if response.finish_reasons:
            told[semconv.RESPONSE_FINISH_REASONS] = response.finish_reasons
        if usage.input_tokens is not None:
            told[semconv.USAGE_INPUT_TOKENS] = usage.input_tokens
        if usage.output_tokens is not None:
            told[semconv.USAGE_OUTPUT_TOKENS] = usage.output_tokens
        for field, name in _PARTS_OF_USAGE:
            # Parts that are 0 are left out: providers list many kinds that a call never had.
            if count := getattr(usage, field):
                told[name] = count
        if response.usage_estimated:
            told[semconv.USAGE_ESTIMATED] = True
        if self.chunks:
            told[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = self.first_chunk_s - self._started_s
        if self.headers is not None:
            told.update(told_by(self.headers))
        if self.attempts > 1:
            told[semconv.RESEND_COUNT] = self.attempts - 1
            for attempt in self.resent[: self.attempts - 1]:
                self._span.add_event(semconv.ATTEMPT_EVENT, attempt.attributes(), attempt.failed_at_unix_ns)
        content = self._recorder.content
        attributes = content.parameters(response.attributes)
        told.update({name: value for name, value in attributes.items() if value is not None})
        masked = content.masked(self.request, response, self._numbers)
        self._span.set_attributes({**told, **content.for_span(masked)} if masked else told)
        event = None
        if content.on_events:
            event = details_event({**self._attributes, **told, **content.for_event(masked)}, self.context())
        if content.hook is not None:
            content.hook(masked, self._span, event)
        if event is not None:
            self._recorder.instruments.emit(event)

    def _chunk_gap_s(self) -> float | None:
        """The mean time between chunks; None for fewer than two."""
        if self.chunks < 2:
            return None
        return (self.last_chunk_s - self.first_chunk_s) / (self.chunks - 1)


def _labels(request: Request, response_model: str | None = None, error: str | None = None) -> Labels:
    return labels_of(
        request.operation,
        request.provider,
        request.model,
        request.server_address,
        request.server_port,
        response_model,
        error,
    )
