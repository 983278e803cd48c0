"""Attributes in which instrumentors write what was said to a model and what it answered."""

from __future__ import annotations

import re

from vigilo import semconv

_WHOLE = frozenset(
    {
        semconv.INPUT_MESSAGES,
        semconv.OUTPUT_MESSAGES,
        semconv.SYSTEM_INSTRUCTIONS,
        semconv.TOOL_DEFINITIONS,
        semconv.TOOL_CALL_ARGUMENTS,
        semconv.TOOL_CALL_RESULT,
        semconv.RETRIEVAL_QUERY,
        semconv.RETRIEVAL_DOCUMENTS,
        semconv.OLDER_CONTENT_EVENT,
        semconv.PROMPT,
        semconv.COMPLETION,
        semconv.CONTENT_PROMPT,
        semconv.CONTENT_COMPLETION,
        semconv.CONTENT_COMPLETION_CHUNK,
        # OpenInference
        "input.value",
        "output.value",
        "input.documents",
        "output.documents",
        "input.images",
        "output.images",
        "llm.prompt_template.template",
        "llm.prompt_template.variables",
        "llm.function_call",
        "reranker.query",
        "tool.parameters",
        # OpenLLMetry
        "traceloop.entity.input",
        "traceloop.entity.output",
        "traceloop.prompt.template",
        "traceloop.prompt.template_variables",
        "llm.content.completion.chunk",
        # MLflow
        "mlflow.spanInputs",
        "mlflow.spanOutputs",
        "mlflow.chat.messages",
        "mlflow.traceInputs",
        "mlflow.traceOutputs",
        # Logfire and Pydantic AI
        "request_data",
        "response_data",
        "all_messages_events",
        "pydantic_ai.all_messages",
        "final_result",
        "tool_arguments",
        "tool_response",
        # Langfuse
        "langfuse.observation.input",
        "langfuse.observation.output",
        "langfuse.trace.input",
        "langfuse.trace.output",
        "langfuse.experiment.item.expected_output",
        # Haystack
        "haystack.component.input",
        "haystack.component.output",
        "haystack.pipeline.input_data",
        "haystack.pipeline.output_data",
        # Google's Agent Development Kit
        "gcp.vertex.agent.llm_request",
        "gcp.vertex.agent.llm_response",
        "gcp.vertex.agent.tool_call_args",
        "gcp.vertex.agent.tool_response",
        "gcp.vertex.agent.data",
    }
)
_NUMBERED = re.compile(
    rf"(?:{re.escape(semconv.PROMPT)}|{re.escape(semconv.COMPLETION)}"  # OpenLLMetry
    r"|llm\.(?:request\.functions|input_messages|output_messages|prompts|completions|choices|tools)"
    r"|retrieval\.documents|reranker\.(?:input|output)_documents|embedding\.embeddings)\.[0-9]"
    r"|llm\.prompts$|llm\.completions$"
)


def is_content(name: str) -> bool:
    """Whether an attribute of this name holds messages, prompts, answers, or arguments or results of tools."""
    return name in _WHOLE or _NUMBERED.match(name) is not None
