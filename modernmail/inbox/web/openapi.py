"""The OpenAPI document of the HTTP API, served at `/api/openapi.json`."""

from __future__ import annotations

from typing import Any

_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}
_MAILBOX: dict[str, Any] = {
    "type": "object",
    "required": ["name", "address"],
    "properties": {"name": _TEXT, "address": _TEXT},
}
_SUMMARY: dict[str, Any] = {
    "id": {**_TEXT, "description": "22 letters and digits; ids sort by arrival"},
    "seq": {**_WHOLE, "description": "counts the mails of this inbox; pass it as `since` or `after`"},
    "received_at": {"type": "string", "format": "date-time"},
    "size": {**_WHOLE, "description": "octets"},
    "subject": _TEXT,
    "from": {"oneOf": [{"$ref": "#/components/schemas/Mailbox"}, {"type": "null"}]},
    **{
        name: {"type": "array", "items": {"$ref": "#/components/schemas/Mailbox"}}
        for name in ("to", "cc", "reply_to")
    },
    "bcc": {**_TEXTS, "description": "recipients of the envelope that no header names"},
    "return_path": {**_TEXT, "description": "of the envelope; empty is the null path"},
    "recipients": {**_TEXTS, "description": "of the envelope"},
    "message_id": _TEXT,
    "snippet": _TEXT,
    "tags": {**_TEXTS, "description": "what stands after the plus in recipients"},
    "attachments": _WHOLE,
    "unread": {"type": "boolean"},
}
_WHOLE_MAIL: dict[str, Any] = {
    "date": {"type": ["string", "null"], "format": "date-time"},
    "headers": {"type": "array", "items": {"type": "object", "properties": {"name": _TEXT, "value": _TEXT}}},
    "text": {"type": ["string", "null"]},
    "html": {"type": ["string", "null"]},
    "links": {**_TEXTS, "description": "addresses to click, in order, each once"},
    "codes": {**_TEXTS, "description": "one-time codes, the likeliest first"},
    "files": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                **dict.fromkeys(("path", "filename", "media_type", "content_id", "disposition"), _TEXT),
                "size": _WHOLE,
            },
        },
    },
    "session": {"type": "object", "description": "peer, helo, tls, user, options, recipient_options"},
    "problems": {**_TEXTS, "description": "what is wrong with the mail's structure"},
}
_FINDING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "check": _TEXT,
        "severity": {"enum": ["error", "warning", "info"]},
        "message": _TEXT,
        "details": _TEXTS,
    },
}


def _parameter(name: str, schema: dict[str, Any], description: str, where: str = "query") -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "schema": schema,
        "description": description,
    }


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_ERROR = _answer("What was wrong", {"type": "object", "properties": {"error": _TEXT}})
_BYTES = {"description": "The bytes", "content": {"application/octet-stream": {}}}
_ID = _parameter("id", _TEXT, "the id of a mail", "path")
_SEARCH = [
    _parameter(
        "q",
        _TEXT,
        "words, and from: to: subject: tag: has:attachment is:unread before: after: larger: smaller:",
    ),
    _parameter("to", _TEXT, "part of a recipient, in header or envelope"),
    _parameter("from", _TEXT, "part of the sender"),
    _parameter("subject", _TEXT, "part of the subject"),
]
_MAIL = {"$ref": "#/components/schemas/Mail"}
_DELETED = _answer("How many", {"type": "object", "properties": {"deleted": _WHOLE}})


def _operation(
    summary: str, parameters: list[dict[str, Any]], answer: dict[str, Any], *errors: str
) -> dict[str, Any]:
    responses = {"200": answer, "403": _ERROR, **dict.fromkeys(errors, _ERROR)}
    name = "".join(word.capitalize() for word in summary.split())
    return {"summary": summary, "operationId": name, "parameters": parameters, "responses": responses}


DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "modernmail inbox",
        "version": "1",
        "description": "Caught mail, for tests in any language.",
    },
    "paths": {
        "/api/mails": {
            "get": _operation(
                "List mails",
                [
                    *_SEARCH,
                    _parameter("limit", {**_WHOLE, "default": 50, "maximum": 1000}, "at most so many"),
                    _parameter("start", _WHOLE, "leave out the first"),
                    _parameter("after", _WHOLE, "only those past this `seq`"),
                ],
                _answer("Newest first", {"$ref": "#/components/schemas/List"}),
                "400",
            ),
            "delete": _operation("Delete mails", _SEARCH, _DELETED, "400"),
        },
        "/api/mails/{id}": {
            "get": _operation("Get a mail", [_ID], _answer("The mail", _MAIL), "404"),
            "delete": _operation("Delete a mail", [_ID], _DELETED, "404"),
        },
        "/api/mails/{id}/raw": {"get": _operation("Get the source", [_ID], _BYTES, "404")},
        "/api/mails/{id}/parts/{path}": {
            "get": _operation(
                "Get a part",
                [_ID, _parameter("path", _TEXT, "the `path` of a file", "path")],
                _BYTES,
                "404",
            )
        },
        "/api/mails/{id}/lint": {
            "get": _operation(
                "Check a mail",
                [_ID],
                _answer(
                    "The findings, the gravest first",
                    {"type": "object", "properties": {"findings": {"type": "array", "items": _FINDING}}},
                ),
                "404",
            )
        },
        "/api/wait": {
            "get": _operation(
                "Wait for a mail",
                [
                    *_SEARCH,
                    _parameter(
                        "since",
                        _TEXT,
                        "a `seq` (the `last` of a list) or a moment; earlier mails do not count",
                    ),
                    _parameter(
                        "timeout",
                        {"type": "number", "minimum": 0, "default": 10, "maximum": 60},
                        "seconds",
                    ),
                ],
                _answer("The oldest mail that fits, at once or when it comes", _MAIL),
                "400",
                "404",
            )
        },
    },
    "components": {
        "schemas": {
            "Mailbox": _MAILBOX,
            "Summary": {"type": "object", "properties": _SUMMARY, "required": list(_SUMMARY)},
            "Mail": {
                "type": "object",
                "properties": {**_SUMMARY, **_WHOLE_MAIL},
                "required": [*_SUMMARY, *_WHOLE_MAIL],
            },
            "List": {
                "type": "object",
                "properties": {
                    **dict.fromkeys(("total", "unread", "count", "last"), _WHOLE),
                    "mails": {"type": "array", "items": {"$ref": "#/components/schemas/Summary"}},
                },
                "required": ["total", "unread", "count", "last", "mails"],
            },
        }
    },
}
