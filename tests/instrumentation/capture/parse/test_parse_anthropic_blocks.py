"""Content blocks and tools of Anthropic in the conventions' form."""

import pytest

from vigilo.capture.parse.anthropic_content import part, parts, tool

PAGE = {"type": "web_search_result", "title": "Rain", "url": "https://example.com/rain", "encrypted_content": "x" * 99}
RUN = {"type": "code_execution_result", "stdout": "4\n", "stderr": "", "return_code": 0, "content": []}
REFUSED = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "redacted_thinking", "data": "x"}, {"type": "reasoning", "content": ""}),
        (
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "rain"}},
            {
                "type": "server_tool_call",
                "id": "s1",
                "name": "web_search",
                "server_tool_call": {"type": "web_search", "arguments": {"query": "rain"}},
            },
        ),
        (
            {"type": "mcp_tool_use", "id": "s2", "name": "find", "server_name": "files", "input": {}},
            {
                "type": "server_tool_call",
                "id": "s2",
                "name": "find",
                "server_tool_call": {"type": "find", "arguments": {}},
            },
        ),
        (
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [PAGE]},
            {
                "type": "server_tool_call_response",
                "id": "s1",
                "server_tool_call_response": {
                    "type": "web_search",
                    "result": [
                        {"type": "web_search_result", "title": "Rain", "url": "https://example.com/rain"},
                    ],
                },
            },
        ),
        (
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": REFUSED},
            {
                "type": "server_tool_call_response",
                "id": "s1",
                "server_tool_call_response": {"type": "web_search", "result": REFUSED},
            },
        ),
        (
            {"type": "code_execution_tool_result", "tool_use_id": "s3", "content": RUN},
            {
                "type": "server_tool_call_response",
                "id": "s3",
                "server_tool_call_response": {
                    "type": "code_execution",
                    "result": {"type": "code_execution_result", "stdout": "4\n", "stderr": "", "return_code": 0},
                },
            },
        ),
        (
            {"type": "mcp_tool_result", "tool_use_id": "s2", "content": "two files"},
            {
                "type": "server_tool_call_response",
                "id": "s2",
                "server_tool_call_response": {"type": "mcp", "result": "two files"},
            },
        ),
        (
            {"type": "tool_result", "tool_use_id": "t1", "content": "12 degrees"},
            {"type": "tool_call_response", "id": "t1", "response": "12 degrees"},
        ),
        ({"type": "tool_result", "tool_use_id": "t1"}, {"type": "tool_call_response", "id": "t1", "response": None}),
        ({"type": "compaction", "content": "So far"}, {"type": "compaction", "content": "So far"}),
        ({"type": "compaction", "content": None, "encrypted_content": "x"}, {"type": "compaction"}),
        (
            {"type": "container_upload", "file_id": "f1"},
            {"type": "file", "modality": "document", "file_id": "f1"},
        ),
        (
            {"type": "document", "source": {"type": "content", "content": "A page"}},
            {"type": "document", "content": "A page"},
        ),
        (
            {"type": "document", "source": {"type": "text", "data": "A page"}, "citations": {"enabled": True}},
            {"type": "text", "content": "A page"},
        ),
        (
            {"type": "search_result", "title": "t", "source": "s", "content": [{"type": "text", "text": "A page"}]},
            {"type": "search_result", "title": "t", "source": "s", "content": [{"type": "text", "content": "A page"}]},
        ),
        ({"type": "what_comes_next", "secret": 1}, {"type": "what_comes_next"}),
        ({}, {"type": "generic"}),
    ],
)
def test_a_block(block, expected):
    assert part(block) == expected


def test_no_content_has_no_parts():
    assert parts(None) == []


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (
            {"type": "custom", "name": "look", "input_schema": {}},
            {"type": "function", "name": "look", "parameters": {}},
        ),
        (
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
            {"type": "web_search_20250305", "name": "web_search"},
        ),
    ],
)
def test_a_tool(definition, expected):
    assert tool(definition) == expected
