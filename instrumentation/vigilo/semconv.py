"""Every attribute and metric name that vigilo writes: the only place with such literals.

Names under ``gen_ai.`` are those of OpenTelemetry's semantic conventions for generative AI
(github.com/open-telemetry/semantic-conventions-genai, all of status Development), as written by
``opentelemetry-util-genai`` 1.3b0. The constants of ``opentelemetry.semconv`` are deprecated for them since 0.66b0, so
they are not used. Names under ``vigilo.`` are ours.

Each constant's comment gives type, unit and meaning.
"""

from __future__ import annotations

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.37.0"
"""What ``opentelemetry-util-genai`` reports for the same names."""
SCOPE: Final = "vigilo"
"""Name of the instrumentation scope of all that vigilo records."""

# The call
OPERATION_NAME: Final = "gen_ai.operation.name"
"""string. By the conventions: chat, generate_content, text_completion, embeddings, invoke_agent. Ours, where they have
none: image_generation, image_edit, video_generation, transcription, translation, speech, moderation, compaction, batch
(its start or its end), batch_results (the reading of Anthropic's), count_tokens, file_upload, create_cache and
fetch_response."""
PROVIDER_NAME: Final = "gen_ai.provider.name"
"""string. The conventions' word (openai, anthropic, aws.bedrock, azure.ai.openai, azure.ai.inference, gcp.gemini,
gcp.vertex_ai, groq, mistral_ai, ...); where they have none, the provider's plain name (together, openrouter, ...)."""
CONVERSATION_ID: Final = "gen_ai.conversation.id"  # string
AGENT_NAME: Final = "gen_ai.agent.name"  # string: the agent that is called instead of a model
CONVERSATION_COMPACTED: Final = "gen_ai.conversation.compacted"  # boolean, when the provider replaced it by a summary
OUTPUT_TYPE: Final = "gen_ai.output.type"  # string: text, json, image, speech; video, which is ours
SERVER_ADDRESS: Final = "server.address"  # string: host of the provider
SERVER_PORT: Final = "server.port"  # int
ERROR_TYPE: Final = "error.type"  # string: class of the exception, with its module
RESEND_COUNT: Final = "http.request.resend_count"  # int: attempts after the first; absent when there was one
HTTP_STATUS_CODE: Final = "http.response.status_code"  # int

# The request: set only when the caller sent it
REQUEST_MODEL: Final = "gen_ai.request.model"  # string
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"  # int
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"  # double
REQUEST_TOP_P: Final = "gen_ai.request.top_p"  # double
REQUEST_TOP_K: Final = "gen_ai.request.top_k"  # double
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"  # double
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"  # double
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"  # string[]
REQUEST_SEED: Final = "gen_ai.request.seed"  # int
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"  # int, when it is not 1
REQUEST_STREAM: Final = "gen_ai.request.stream"  # boolean, when true
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"  # string[], embeddings
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"  # string
REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"  # string
EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"  # int

# The response
RESPONSE_ID: Final = "gen_ai.response.id"  # string
RESPONSE_MODEL: Final = "gen_ai.response.model"  # string
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"  # string[]: stop, length, tool_call, content_filter
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"  # double, s; streams only

# Tokens: int. `input_tokens` contains cached and audio tokens, `output_tokens` contains reasoning and audio tokens.
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_INPUT_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING_OUTPUT_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_AUDIO_INPUT_TOKENS: Final = "gen_ai.usage.audio.input_tokens"
USAGE_IMAGE_INPUT_TOKENS: Final = "gen_ai.usage.image.input_tokens"
USAGE_IMAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.image.output_tokens"
USAGE_AUDIO_OUTPUT_TOKENS: Final = "gen_ai.usage.audio.output_tokens"
USAGE_AUDIO_CACHE_READ_INPUT_TOKENS: Final = "vigilo.usage.audio.cache_read.input_tokens"  # int: cached and audio
USAGE_IMAGE_CACHE_READ_INPUT_TOKENS: Final = "vigilo.usage.image.cache_read.input_tokens"  # int: cached and images
USAGE_VIDEO_INPUT_TOKENS: Final = "vigilo.usage.video.input_tokens"  # int
USAGE_INPUT_CHARACTERS: Final = "vigilo.usage.input_characters"  # int: characters to be said, where they are paid
USAGE_OUTPUT_IMAGES: Final = "vigilo.usage.output_images"  # int: images made, where they are paid by the piece
USAGE_WEB_SEARCHES: Final = "vigilo.usage.web_searches"  # int: calls of the provider's own search in the web
USAGE_FILE_SEARCHES: Final = "vigilo.usage.file_searches"  # int: calls of the provider's own search in files
USAGE_AUDIO_INPUT_SECONDS: Final = "vigilo.usage.audio.input_seconds"  # double, s: transcribed sound, where it is paid
USAGE_ESTIMATED: Final = "vigilo.usage.estimated"  # boolean, when vigilo estimated the counts: the provider gave none
COUNTED_INPUT_TOKENS: Final = "vigilo.counted.input_tokens"  # int: the answer of count_tokens; nobody used them
CACHE_STORED_TOKENS: Final = "vigilo.cache.stored_tokens"  # int: what create_cache keeps; billed by the hour

# Content: JSON strings, masked unless the user asked for full content
INPUT_MESSAGES: Final = "gen_ai.input.messages"  # [{"role", "parts": [{"type": "text", "content"}, ...]}]
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"  # the same with "finish_reason"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"  # [{"type": "text", "content"}]
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"  # [{"type": "function", "name", "description", "parameters"}]

# OpenAI's own
OPENAI_REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"  # string
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"  # string
OPENAI_RESPONSE_SYSTEM_FINGERPRINT: Final = "openai.response.system_fingerprint"  # string
OPENAI_API_TYPE: Final = "openai.api.type"  # string: chat_completions, responses

# Anthropic's own, as its SDK (1.17 and later) names them in the spans that ours stand for
ANTHROPIC_REQUEST_SERVICE_TIER: Final = "anthropic.request.service_tier"  # string: auto, standard_only
ANTHROPIC_RESPONSE_SERVICE_TIER: Final = "anthropic.response.service_tier"  # string: standard, priority, batch
ANTHROPIC_THINKING_TYPE: Final = "anthropic.thinking.type"  # string: enabled, disabled, adaptive
ANTHROPIC_THINKING_BUDGET_TOKENS: Final = "anthropic.thinking.budget_tokens"  # int
ANTHROPIC_STOP_REASON: Final = "anthropic.message.stop_reason"  # string: Anthropic's word, such as pause_turn
ANTHROPIC_CACHE_WRITE_5M_TOKENS: Final = "anthropic.usage.cache_creation.ephemeral_5m_input_tokens"  # int
ANTHROPIC_CACHE_WRITE_1H_TOKENS: Final = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"  # int
ANTHROPIC_COMPACTION_INPUT_TOKENS: Final = "anthropic.usage.compaction.input_tokens"  # int, inside the input tokens
ANTHROPIC_COMPACTION_OUTPUT_TOKENS: Final = "anthropic.usage.compaction.output_tokens"  # int, inside the output tokens
# ... and those for which it has no name
ANTHROPIC_WEB_SEARCH_REQUESTS: Final = "anthropic.usage.server_tool_use.web_search_requests"  # int, billed by the piece
ANTHROPIC_WEB_FETCH_REQUESTS: Final = "anthropic.usage.server_tool_use.web_fetch_requests"  # int
ANTHROPIC_INFERENCE_GEO: Final = "anthropic.usage.inference_geo"  # string: where the model ran
ANTHROPIC_SPEED: Final = "anthropic.usage.speed"  # string: standard, fast

# Batches
BATCH_REQUESTS: Final = "vigilo.batch.requests"  # int: requests sent in a batch, or results read of it
BATCH_FAILED: Final = "vigilo.batch.failed"  # int: results that are no answer: errors, expired or canceled requests

# Who and what for
USER_ID: Final = "user.id"  # string: a keyed pseudonym by default
SESSION_ID: Final = "session.id"  # string
VIGILO_OPERATION: Final = "vigilo.operation"  # string: the app's own label
VIGILO_TAGS: Final = "vigilo.tags"  # string[]: `key=value`

# Price. The name of the cost is the one that OpenLIT and Langfuse read.
USAGE_COST: Final = "gen_ai.usage.cost"  # double, USD; absent when unpriced, never 0 for an unknown model
COST_SOURCE: Final = "vigilo.cost.source"
"""string. genai-prices; user for `[prices]` of vigilo.toml, update for a kept file of prices, vigilo for its own facts;
provider where the answer told its price."""
COST_SNAPSHOT: Final = "vigilo.cost.snapshot"  # string: version and date of the price table, `0.2.3 (2026-11-09)`
COST_TIER: Final = "vigilo.cost.tier"  # string: the tier of the price: batch, flex, ...; absent at the list price
COST_MODEL: Final = "vigilo.cost.model"  # string: the name of the price where it is not the model's
COST_PARTS: Final = "vigilo.cost.parts"  # int: inferences that were priced one by one; absent for a single one
COST_UNPRICED: Final = "vigilo.cost.unpriced"  # boolean, when something was used that has no known price
CALL_AROUND: Final = "vigilo.call.around"
"""boolean, on another instrumentor's span of a call when the same call has a span of its own inside of it: neither
priced nor counted."""

# A live session
LIVE_GO_AWAY: Final = "vigilo.live.go_away"  # boolean, when the server said that it is about to close the session

# What the headers of the response told
REQUEST_ID: Final = "vigilo.request.id"  # string: the provider's id of the request
RATELIMIT_REMAINING_REQUESTS: Final = "vigilo.ratelimit.remaining_requests"  # int: left in the provider's window
RATELIMIT_REMAINING_TOKENS: Final = "vigilo.ratelimit.remaining_tokens"  # int: left in the provider's window

# Attempts: a span event for each one that failed and was made again. The last attempt is what the span itself tells.
ATTEMPT_EVENT: Final = "vigilo.attempt.failed"  # with http.response.status_code or error.type
ATTEMPT_RETRY_AFTER: Final = "vigilo.attempt.retry_after"  # double, s: what the provider asked to wait

# Quotas and pacing. Rules are named `user=u_0123... tokens/day`: whom they are about, what they count, the window.
QUOTA_REMAINING_REQUESTS: Final = "vigilo.quota.remaining_requests"  # int: of the tightest rule, after the call
QUOTA_REMAINING_TOKENS: Final = "vigilo.quota.remaining_tokens"  # int: the same, whichever tokens the rule counts
QUOTA_REMAINING_COST: Final = "vigilo.quota.remaining_cost"  # double, USD: the same
QUOTA_PASSED: Final = "vigilo.quota.passed"  # string[]: rules that do not block and whose limit is passed
QUOTA_REFUSED_BY: Final = "vigilo.quota.refused_by"  # string: the rule, on a call that was not sent
QUOTA_STATE: Final = "vigilo.quota.state"  # string: local, open, when the shared state could not be reached
PACE_WAIT: Final = "vigilo.pace.wait"  # double, s: how long the call waited for its turn; absent when it did not
PACE_LIMITED_BY: Final = "vigilo.pace.limited_by"  # string: user, global, rate, retry_after, circuit_open
PACE_RATE: Final = "vigilo.pace.rate"  # span attribute and gauge, {request}/s: found for the provider, model and key
QUOTA_THRESHOLD_EVENT: Final = "vigilo.quota.threshold"  # span event and log, once a window, with the next four
QUOTA_REFUSED_EVENT: Final = "vigilo.quota.refused"  # span event of a call that was not sent, with the next four
QUOTA_RULE: Final = "vigilo.quota.rule"  # string: the rule's name
QUOTA_LEVEL: Final = "vigilo.quota.level"  # double: the share of the limit that was reached
QUOTA_USED: Final = "vigilo.quota.used"  # double: in the metric's unit; also a gauge
QUOTA_LIMIT: Final = "vigilo.quota.limit"  # double: in the metric's unit; also a gauge
QUOTA_HELD: Final = "vigilo.quota.held"  # gauge: what calls under way may use, in the metric's unit
QUOTA_METRIC: Final = "vigilo.quota.metric"  # string, label: requests, tokens, input_tokens, output_tokens, usd
QUOTA_WINDOW: Final = "vigilo.quota.window"  # string, label: minute, hour, day, week, month, total
QUOTA_SCOPE: Final = "vigilo.quota.scope"  # string, label: `user=u_0123...`, `global`
QUOTA_MODE: Final = "vigilo.quota.mode"  # string, label: observe, warn, block
QUOTA_REFUSALS: Final = "vigilo.quota.refusals"  # counter, {call}: calls that were not sent, with the rule's labels
QUOTA_THRESHOLDS: Final = (
    "vigilo.quota.thresholds"  # counter, {event}: thresholds reached, with rule's labels and level
)
QUOTA_EXPIRED_HOLDS: Final = "vigilo.quota.expired_holds"  # counter, {hold}: of calls whose end nobody saw
PACE_WAITS: Final = "vigilo.pace.waits"  # histogram, s: how long calls waited for their turn, where they did
PACE_REFUSALS: Final = "vigilo.pace.refusals"  # counter, {call}: by `vigilo.pace.limited_by`
STATE_ERRORS: Final = "vigilo.state.errors"  # counter, {error}: the shared state did not answer

# The export of telemetry itself
EXPORT_ROWS: Final = "vigilo.export.rows"  # counter, {row}: by table and outcome
EXPORT_TABLE: Final = "vigilo.export.table"  # string, label: otel_traces, otel_logs, ...
EXPORT_OUTCOME: Final = "vigilo.export.outcome"  # string, label: written (to disk), delivered (to a server), dropped
EXPORT_FAILURES: Final = "vigilo.export.failures"  # counter, {failure}: of the disk or of the server; what waits stays
EXPORT_SPOOL_SIZE: Final = "vigilo.export.spool.size"  # gauge, By: what waits on disk

# Hardware, host and process, by the conventions (semantic-conventions v1.44.0, model/hardware, model/system and
# model/process; all but process.* are in development). NVML's `utilization.memory` is none of these.
HW_ID: Final = "hw.id"  # string: the GPU's UUID
HW_NAME: Final = "hw.name"  # string
HW_PARENT: Final = "hw.parent"  # string: UUID of the GPU that a MIG device is part of
HW_MODEL: Final = "hw.model"  # string
HW_VENDOR: Final = "hw.vendor"  # string: NVIDIA, AMD
HW_SERIAL_NUMBER: Final = "hw.serial_number"  # string
HW_DRIVER_VERSION: Final = "hw.driver_version"  # string
HW_TYPE: Final = "hw.type"  # string: gpu
HW_STATE: Final = "hw.state"  # string: ok, degraded, failed, predicted_failure
HW_SENSOR_LOCATION: Final = "hw.sensor_location"  # string
HW_LIMIT_TYPE: Final = "hw.limit_type"  # string: critical, throttled, ...
HW_GPU_TASK: Final = "hw.gpu.task"  # string: general, encoder, decoder
NETWORK_IO_DIRECTION: Final = "network.io.direction"  # string: receive, transmit
HW_GPU_IO: Final = "hw.gpu.io"  # counter, By, by direction
HW_GPU_MEMORY_LIMIT: Final = "hw.gpu.memory.limit"  # up-down counter, By
HW_GPU_MEMORY_USAGE: Final = "hw.gpu.memory.usage"  # up-down counter, By
HW_GPU_MEMORY_UTILIZATION: Final = "hw.gpu.memory.utilization"  # gauge, 1: usage over limit
HW_GPU_UTILIZATION: Final = "hw.gpu.utilization"  # gauge, 1, by task
HW_ERRORS: Final = "hw.errors"  # counter, {error}
HW_STATUS: Final = "hw.status"  # up-down counter, 1: 0 or 1 for each state
HW_POWER: Final = "hw.power"  # gauge, W
HW_ENERGY: Final = "hw.energy"  # counter, J
HW_TEMPERATURE: Final = "hw.temperature"  # gauge, Cel
HW_TEMPERATURE_LIMIT: Final = "hw.temperature.limit"  # gauge, Cel
HW_FAN_SPEED_RATIO: Final = "hw.fan.speed_ratio"  # gauge, 1
# Ours beside them
HW_GPU_MEMORY_USAGE_MAX: Final = "hw.gpu.memory.usage.max"  # gauge, By: since the last export, looked at once a second
HW_GPU_UTILIZATION_MAX: Final = "hw.gpu.utilization.max"  # gauge, 1: the same
HW_GPU_UTILIZATION_AVG: Final = "hw.gpu.utilization.avg"  # gauge, 1: the same
MEMORY_TIME_TO_EXHAUSTION: Final = "vigilo.memory.time_to_exhaustion"  # gauge, s; absent while nothing grows
MEMORY_FORECAST_CONFIDENCE: Final = "vigilo.memory.forecast.confidence"  # gauge, 1
MEMORY_FORECAST_LEVEL: Final = "vigilo.memory.forecast.level"  # string: watch, warn, critical
MEMORY_FORECAST_EVENT: Final = "vigilo.memory.forecast"  # log, when a level is reached
MEMORY_FORECAST_WARNINGS: Final = "vigilo.memory.forecast.warnings"  # counter, {warning}: levels reached, by level
MEMORY_AREA: Final = "vigilo.memory.area"  # string, label: gpu (with hw.id), host
PROCESS_GPU_MEMORY_USAGE: Final = "process.gpu.memory.usage"  # up-down counter, By, by hw.id and process.pid
PROCESS_PID: Final = "process.pid"  # int
TORCH_MEMORY_ALLOCATED: Final = "torch.cuda.memory.allocated"  # gauge, By, by hw.id where it is known
TORCH_MEMORY_RESERVED: Final = "torch.cuda.memory.reserved"  # gauge, By
TORCH_MEMORY_ALLOCATED_MAX: Final = "torch.cuda.memory.allocated.max"  # gauge, By: in the life of the process
TORCH_ALLOC_RETRIES: Final = "torch.cuda.memory.alloc_retries"  # counter, {retry}
TORCH_OOMS: Final = "torch.cuda.memory.ooms"  # counter, {error}

# The host and the process. Inside a limit of the control group, memory is what the group has.
CPU_MODE: Final = "cpu.mode"  # string: user, nice, system, idle, iowait, interrupt, steal
SYSTEM_MEMORY_STATE: Final = "system.memory.state"  # string: used, cached, buffers, free
SYSTEM_PAGING_STATE: Final = "system.paging.state"  # string: used, free
SYSTEM_DEVICE: Final = "system.device"  # string: sda, /dev/sda1
SYSTEM_FILESYSTEM_STATE: Final = "system.filesystem.state"  # string: used, free, reserved
SYSTEM_FILESYSTEM_TYPE: Final = "system.filesystem.type"  # string: ext4, overlay
SYSTEM_FILESYSTEM_MODE: Final = "system.filesystem.mode"  # string: rw, ro
SYSTEM_FILESYSTEM_MOUNTPOINT: Final = "system.filesystem.mountpoint"  # string
DISK_IO_DIRECTION: Final = "disk.io.direction"  # string: read, write
NETWORK_INTERFACE_NAME: Final = "network.interface.name"  # string
CONTEXT_SWITCH_TYPE: Final = "process.context_switch.type"  # string: voluntary, involuntary
SYSTEM_CPU_TIME: Final = "system.cpu.time"  # counter, s, by mode, of all CPUs of the machine
SYSTEM_CPU_UTILIZATION: Final = "system.cpu.utilization"  # gauge, 1, by mode, of all CPUs of the machine
SYSTEM_CPU_LOGICAL_COUNT: Final = "system.cpu.logical.count"  # up-down counter, {cpu}
SYSTEM_MEMORY_USAGE: Final = "system.memory.usage"  # up-down counter, By, by state
SYSTEM_MEMORY_UTILIZATION: Final = "system.memory.utilization"  # gauge, 1, by state
SYSTEM_MEMORY_LIMIT: Final = "system.memory.limit"  # up-down counter, By
SYSTEM_MEMORY_LINUX_AVAILABLE: Final = "system.memory.linux.available"  # up-down counter, By
SYSTEM_PAGING_USAGE: Final = "system.paging.usage"  # up-down counter, By, by state
SYSTEM_PAGING_UTILIZATION: Final = "system.paging.utilization"  # gauge, 1, by state
SYSTEM_FILESYSTEM_USAGE: Final = "system.filesystem.usage"  # up-down counter, By, by state
SYSTEM_FILESYSTEM_UTILIZATION: Final = "system.filesystem.utilization"  # gauge, 1, by state
SYSTEM_FILESYSTEM_LIMIT: Final = "system.filesystem.limit"  # up-down counter, By
SYSTEM_DISK_IO: Final = "system.disk.io"  # counter, By, by device and direction
SYSTEM_NETWORK_IO: Final = "system.network.io"  # counter, By, by interface and direction
SYSTEM_UPTIME: Final = "system.uptime"  # gauge, s
PROCESS_CPU_TIME: Final = "process.cpu.time"  # counter, s, by mode
PROCESS_CPU_UTILIZATION: Final = "process.cpu.utilization"  # gauge, 1, by mode: of the CPUs that the process may use
PROCESS_MEMORY_USAGE: Final = "process.memory.usage"  # up-down counter, By
PROCESS_MEMORY_VIRTUAL: Final = "process.memory.virtual"  # up-down counter, By
PROCESS_THREAD_COUNT: Final = "process.thread.count"  # up-down counter, {thread}
PROCESS_CONTEXT_SWITCHES: Final = "process.context_switches"  # counter, {context_switch}, by type
PROCESS_UNIX_FILE_DESCRIPTOR_COUNT: Final = "process.unix.file_descriptor.count"  # up-down counter, {file_descriptor}
PROCESS_UPTIME: Final = "process.uptime"  # gauge, s
# Ours beside them
OOM_KILLS: Final = "vigilo.memory.oom_kills"  # counter, {kill}: processes that the kernel killed in the control group

# The session of a notebook; there is no convention for it
NOTEBOOK_PLATFORM: Final = "notebook.platform"  # string, on the resource: colab, kaggle, local
NOTEBOOK_PLATFORM_VARIANT: Final = "notebook.platform.variant"  # string: enterprise, local_runtime, batch, ...
NOTEBOOK_SESSION_UPTIME: Final = "notebook.session.uptime"  # gauge, s
NOTEBOOK_SESSION_LIMIT: Final = "notebook.session.limit"  # gauge, s, by notebook.source
NOTEBOOK_SESSION_REMAINING: Final = "notebook.session.remaining"  # gauge, s, by notebook.source
NOTEBOOK_IDLE_TIME: Final = "notebook.idle.time"  # gauge, s since a cell ran
NOTEBOOK_IDLE_LIMIT: Final = "notebook.idle.limit"  # gauge, s, by notebook.source
NOTEBOOK_CELL_BUSY: Final = "notebook.cell.busy"  # gauge, 1: 1 while a cell runs
NOTEBOOK_KERNEL_RESTARTS: Final = "notebook.kernel.restarts"  # counter, {restart}: on this machine
NOTEBOOK_ACCELERATOR_CHANGES: Final = "notebook.accelerator.changes"  # counter, {change}
NOTEBOOK_QUOTA_USAGE: Final = "notebook.quota.usage"  # gauge, s of accelerator this week
NOTEBOOK_QUOTA_LIMIT: Final = "notebook.quota.limit"  # gauge, s
NOTEBOOK_ACCELERATOR: Final = "notebook.accelerator"  # string, label: gpu, tpu
NOTEBOOK_STORAGE_USAGE: Final = "notebook.storage.usage"  # gauge, By, by area
NOTEBOOK_STORAGE_LIMIT: Final = "notebook.storage.limit"  # gauge, By, by area
NOTEBOOK_STORAGE_AREA: Final = "notebook.storage.area"  # string, label: ephemeral, output, drive
NOTEBOOK_DRIVE_MOUNTED: Final = "notebook.drive.mounted"  # gauge, 1
NOTEBOOK_INTERNET_UP: Final = "notebook.internet.up"  # gauge, 1
NOTEBOOK_SOURCE: Final = "notebook.source"  # string, label: where a limit comes from: setting, api, documented, ...
NOTEBOOK_WARNING_EVENT: Final = "notebook.warning"  # log, with notebook.warning.kind
NOTEBOOK_WARNING_KIND: Final = "notebook.warning.kind"  # string: session, idle, quota, output, disk, drive, ...
TASK_PROGRESS: Final = "notebook.task.progress"  # gauge, 1: of a task with a known total
TASK_REMAINING: Final = "notebook.task.remaining"  # gauge, s: estimated
TASK_NAME: Final = "notebook.task.name"  # string, label

# Checkpoints
CHECKPOINT_COUNT: Final = "checkpoint.count"  # counter, {checkpoint}, by reason
CHECKPOINT_FAILURES: Final = "checkpoint.failures"  # counter, {failure}, by reason and error.type
CHECKPOINT_DURATION: Final = "checkpoint.duration"  # histogram, s
CHECKPOINT_SIZE: Final = "checkpoint.size"  # gauge, By: of the last
CHECKPOINT_AGE: Final = "checkpoint.age"  # gauge, s: of the last valid one
CHECKPOINT_REASON: Final = (
    "checkpoint.reason"  # string, label: period, session, idle, disk, output, memory, sigterm, ...
)

# How a stream ended that was not read to its end and did not fail
STREAM_ENDED_BY: Final = "vigilo.stream.ended_by"  # string: close, drop, idle, exit (of the interpreter)

# The event that tells a whole call, with its messages: severity DEBUG, the span's attributes
DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"

# The event of a failed call: severity WARN
EXCEPTION_EVENT: Final = "gen_ai.client.operation.exception"
EXCEPTION_TYPE: Final = "exception.type"  # string: class of the exception, with its module
EXCEPTION_MESSAGE: Final = "exception.message"  # string: masked

# What the Collector's tables have no column for. The first three are those of the specification for formats other than
# OTLP (specification/common/mapping-to-non-otlp.md); the others continue them.
OTEL_DROPPED_ATTRIBUTES: Final = "otel.dropped_attributes_count"  # int, on spans, events, links and log records
OTEL_DROPPED_EVENTS: Final = "otel.dropped_events_count"  # int, on spans
OTEL_DROPPED_LINKS: Final = "otel.dropped_links_count"  # int, on spans
OTEL_PARENT_ORIGIN: Final = "otel.span.parent.origin"  # string: remote, where the parent is in another process
OTEL_RESOURCE_SCHEMA_URL: Final = "otel.resource.schema_url"  # string, among the attributes of a span's resource
OTEL_SCOPE: Final = "otel.scope."  # beginning of the attributes of a span's scope
OTEL_SCOPE_SCHEMA_URL: Final = "otel.scope.schema_url"  # string, on spans
OTEL_SCOPE_DROPPED_ATTRIBUTES: Final = "otel.scope.dropped_attributes_count"  # int, on spans and log records
OTEL_OBSERVED_TIME: Final = "otel.observed_time_unix_nano"  # int, ns since 1970: on log records with another time

# Metrics
CLIENT_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"  # histogram, s
CLIENT_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105 - histogram, {token}
CLIENT_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"  # histogram, s; streams
CLIENT_TIME_PER_OUTPUT_CHUNK: Final = "gen_ai.client.operation.time_per_output_chunk"  # histogram, s; streams
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - metric attribute: input, output
VIGILO_COST: Final = "vigilo.cost"  # counter, USD
UNPRICED_CALLS: Final = "vigilo.cost.unpriced_calls"  # counter, {call}

# Written by other instrumentors, and read where their telemetry is masked and priced on its way to an exporter.
# First the names that the conventions had before:
SYSTEM: Final = "gen_ai.system"  # string: the provider
SYSTEM_MESSAGE_EVENT: Final = "gen_ai.system.message"  # these five: an event for each message
USER_MESSAGE_EVENT: Final = "gen_ai.user.message"
ASSISTANT_MESSAGE_EVENT: Final = "gen_ai.assistant.message"
TOOL_MESSAGE_EVENT: Final = "gen_ai.tool.message"
CHOICE_EVENT: Final = "gen_ai.choice"
USAGE_PROMPT_TOKENS: Final = "gen_ai.usage.prompt_tokens"  # int
USAGE_COMPLETION_TOKENS: Final = "gen_ai.usage.completion_tokens"  # int
USAGE_CACHE_CREATION_INPUT_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"  # int
OLDER_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read_input_tokens"  # int, OpenLLMetry
OLDER_CACHE_CREATION_INPUT_TOKENS: Final = "gen_ai.usage.cache_creation_input_tokens"  # int, OpenLLMetry
OLDER_RESPONSE_SERVICE_TIER: Final = "gen_ai.openai.response.service_tier"  # string
OLDER_CONTENT_EVENT: Final = "gen_ai.event.content"  # JSON string, on events
PROMPT: Final = "gen_ai.prompt"  # JSON string; OpenLLMetry: the beginning of `gen_ai.prompt.0.content` and the like
COMPLETION: Final = "gen_ai.completion"  # JSON string, or a beginning, as above
GEN_AI: Final = "gen_ai."  # how the names of its events begin
# ... and others:
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"  # any
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"  # any
RETRIEVAL_QUERY: Final = "gen_ai.retrieval.query.text"  # string
RETRIEVAL_DOCUMENTS: Final = "gen_ai.retrieval.documents"  # any
CONTENT_PROMPT: Final = "gen_ai.content.prompt"  # OpenLIT: an event and its attribute
CONTENT_COMPLETION: Final = "gen_ai.content.completion"  # OpenLIT: an event and its attribute
CONTENT_COMPLETION_CHUNK: Final = "gen_ai.content.completion.chunk"  # OpenLLMetry: an event's attribute
OLDER_USER: Final = "gen_ai.user"  # string: the user's id, as it was sent; OpenLLMetry
OLDER_HEADERS: Final = "gen_ai.headers"  # string: headers of the request; OpenLLMetry
OLDER_USAGE_REASONING_TOKENS: Final = "gen_ai.usage.reasoning_tokens"  # int, OpenLLMetry
USAGE_DETAILS_CACHE_READ_TOKENS: Final = "gen_ai.usage.details.cache_read_tokens"  # int, Pydantic AI
USAGE_DETAILS_CACHE_WRITE_TOKENS: Final = "gen_ai.usage.details.cache_write_tokens"  # int, Pydantic AI
USAGE_DETAILS_REASONING_TOKENS: Final = "gen_ai.usage.details.reasoning_tokens"  # int, Pydantic AI

DURATION_BUCKETS_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS: Final = tuple(4**exponent for exponent in range(14))
"""Bucket bounds that the conventions advise, in seconds and in tokens."""
