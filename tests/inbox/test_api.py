"""The HTTP API: ours, and the shapes that Mailpit's clients know."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from web import Client

from modernmail import Mailer, Message
from modernmail.inbox import CapturedMail, DiskStore, InboxServer
from modernmail.inbox.backend import captured

if TYPE_CHECKING:
    from pathlib import Path


def mail(subject: str = "Hi", to: str = "zoe+signup@example.com", **fields: Any) -> CapturedMail:
    """A mail with text, HTML, a Bcc, a code, a link and a file."""
    html = f"<p>{subject}: <a href='https://example.com/confirm'>confirm</a></p>"
    message = Message(
        subject, f"{subject}: your code is 493201", html, to=[to], bcc=["hidden@example.com"], **fields
    )
    message.attach("a.txt", "attached", "text/plain").embed("logo", b"GIF89a", "image/gif")
    return captured(Mailer("null:", from_email="Shop <shop@example.com>").parcel(message))


# -- ours


def test_list_and_search(store: Any, client: Client) -> None:
    """The list has counts and summaries, newest first; parameters and `q` search."""
    one, two = store.add(mail("One")), store.add(mail("Two", "adam@example.com"))
    found = client.json("/api/mails")
    assert {name: found[name] for name in ("total", "unread", "count", "last")} == {
        "total": 2, "unread": 2, "count": 2, "last": two.seq,
    }  # fmt: skip
    first = found["mails"][1]
    assert [each["id"] for each in found["mails"]] == [two.id, one.id]
    assert (first["subject"], first["from"]) == ("One", {"name": "Shop", "address": "shop@example.com"})
    assert (first["tags"], first["bcc"], first["attachments"]) == (["signup"], ["hidden@example.com"], 1)
    for query in ("to=zoe", "subject=One", "from=shop&to=zoe", "q=tag:signup", "q=one&limit=5", "start=1"):
        assert [each["id"] for each in client.json(f"/api/mails?{query}")["mails"]] == [one.id], query
    assert [each["id"] for each in client.json(f"/api/mails?after={one.seq}")["mails"]] == [two.id]
    assert client.json("/api/mails?limit=0")["mails"] == []


def test_one(store: Any, client: Client) -> None:
    """One mail comes whole: header, bodies, links, codes, files, envelope; asking does not mark it as read."""
    summary = store.add(mail())
    one = client.json(f"/api/mails/{summary.id}")
    assert one["text"] == "Hi: your code is 493201"
    assert one["html"].startswith("<p>Hi")
    assert (one["links"], one["codes"]) == (["https://example.com/confirm"], ["493201"])
    assert {"name": "Subject", "value": "Hi"} in one["headers"]
    assert one["date"].endswith("+00:00")
    assert [(file["filename"], file["size"], file["content_id"]) for file in one["files"]] == [
        ("", 6, "logo"),
        ("a.txt", 8, ""),
    ]
    assert one["recipients"] == ["zoe+signup@example.com", "hidden@example.com"]
    assert one["problems"] == []
    assert one["unread"]
    path = one["files"][1]["path"]
    assert client.get(f"/api/mails/{summary.id}/parts/{path}").body == b"attached"
    assert client.get(f"/api/mails/{summary.id}/raw").body == store.get(summary.id).content
    findings = client.json(f"/api/mails/{summary.id}/lint")["findings"]
    assert "unused-cid" in [finding["check"] for finding in findings]
    assert store.count("is:unread") == 1


def test_errors_name_the_parameter(store: Any, client: Client) -> None:
    """What cannot be is 400 or 404 with a JSON error that names it."""
    summary = store.add(mail())
    for path, status, said in (
        ("/api/mails/none", 404, "no mail 'none'"),
        (f"/api/mails/{summary.id}/parts/9", 404, "no part '9'"),
        ("/api/mails?limit=x", 400, "limit: 'x': a whole number"),
        ("/api/wait?timeout=-1", 400, "timeout: '-1': a number of seconds"),
        ("/api/wait?timeout=0.01&to=nobody", 404, "came within 0.01 s"),
        ("/api/mails?q=before:0001-01-01", 400, "a date is written"),
        ("/api/mails?q=form:x", 400, "form:"),
        ("/api/wait?timeout=-1", 400, "timeout: '-1'"),
        ("/api/wait?q=is:new", 400, "is:read and is:unread"),
        ("/api/wait?since=yesterday", 400, "a date is written"),
        ("/api/wait?timeout=0&to=nobody", 404, "came within 0 s"),
        ("/api/nothing", 404, "Not Found"),
    ):
        answer = client.get(path)
        assert answer.status == status, path
        assert said in answer.json["error"], path
    assert client.ask("DELETE", "/api/mails/none").status == 404
    assert client.ask("POST", "/api/mails").status == 405


def test_delete(store: Any, client: Client) -> None:
    """One mail, those that a search finds, or all are deleted, and the number is told."""
    one = store.add(mail("One"))
    for number in range(3):
        store.add(mail(f"Two {number}"))
    assert client.ask("DELETE", f"/api/mails/{one.id}").json == {"deleted": 1}
    assert client.ask("DELETE", "/api/mails?subject=Two%201").json == {"deleted": 1}
    assert client.ask("DELETE", "/api/mails").json == {"deleted": 2}


def test_waiting(store: Any, client: Client) -> None:
    """`wait` answers with what is there, or as soon as it comes; what came before `since` is no answer."""
    old = store.add(mail("Old"))
    assert client.json("/api/wait?to=zoe%2Bsignup@example.com")["id"] == old.id
    since = client.json("/api/mails")["last"]
    timer = threading.Timer(
        0.05, lambda: [store.add(mail("Other", "adam@example.com")), store.add(mail("New"))]
    )
    timer.start()
    found = client.json(f"/api/wait?to=zoe&since={since}&timeout=20")
    timer.join()
    assert (found["subject"], found["codes"]) == ("New", ["493201"])
    moment = quote(found["received_at"])
    assert client.json(f"/api/wait?since={moment}")["id"] == found["id"]
    assert client.get(f"/api/wait?since={found['seq']}&timeout=0").status == 404
    assert client.json("/api/wait?since=0")["id"] == old.id


def test_waiting_many_at_once(store: Any, client: Client) -> None:
    """Twenty tests wait for their own mail at once, and each gets its own."""
    found: dict[int, str] = {}

    def wait(number: int) -> None:
        found[number] = client.json(f"/api/wait?to=user{number}@example.com&timeout=20")["subject"]

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for number in reversed(range(20)):
        store.add(mail(f"For {number}", f"user{number}@example.com"))
    for thread in threads:
        thread.join()
    assert found == {number: f"For {number}" for number in range(20)}


def test_mail_of_another_process_is_waited_for(tmp_path: Path) -> None:
    """A mail that the `inbox:` backend of another program puts into the folder ends the wait."""
    with DiskStore(tmp_path) as store, InboxServer.threaded(store) as server:
        timer = threading.Timer(
            0.05,
            lambda: Mailer(f"inbox://{tmp_path}").send(
                Message("From afar", "x", from_email="a@example.com", to=["b@example.com"])
            ),
        )
        timer.start()
        assert Client(server).json("/api/wait?to=b@example.com&timeout=20")["subject"] == "From afar"
        timer.join()


def check(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Assert that `value` is what a schema of the document says (the few keywords that it uses)."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "oneOf" in schema:
        schema = schema["oneOf"][1 if value is None else 0]
        return check(value, schema, schemas)
    kinds = {
        "string": str,
        "integer": int,
        "boolean": bool,
        "object": dict,
        "array": list,
        "null": type(None),
    }
    wanted = schema.get("type", [])
    assert isinstance(value, tuple(kinds[kind] for kind in ([wanted] if isinstance(wanted, str) else wanted)))
    for name in schema.get("required", ()):
        assert name in value
    if "properties" in schema:
        if "required" in schema:
            assert set(value) == set(schema["properties"])
        for name, inner in schema["properties"].items():
            if name in value:
                check(value[name], inner, schemas)
    for each in value if isinstance(value, list) else ():
        check(each, schema["items"], schemas)
    return None


def test_the_document_describes_the_answers(store: Any, client: Client) -> None:
    """The OpenAPI document names every address, and the answers are what it says."""
    document = client.json("/api/openapi.json")
    schemas = document["components"]["schemas"]
    summary = store.add(mail())
    part = client.json(f"/api/mails/{summary.id}")["files"][0]["path"]
    for path, methods in document["paths"].items():
        asked = path.replace("{id}", summary.id).replace("{path}", part)
        answer = client.get(asked)
        assert answer.status == 200, path
        content = methods["get"]["responses"]["200"]["content"]
        if "application/json" in content:
            if "findings" not in answer.json:
                check(answer.json, content["application/json"]["schema"], schemas)
        else:
            assert "content-disposition" in answer.headers
    assert set(document["paths"]) == {
        "/api/mails", "/api/mails/{id}", "/api/mails/{id}/raw", "/api/mails/{id}/parts/{path}",
        "/api/mails/{id}/lint", "/api/wait",
    }  # fmt: skip


# -- Mailpit's


def test_a_client_that_knows_only_mailpit(server: InboxServer, store: Any) -> None:
    """The client of PyPI's `mailpit-api-client` lists, reads, and fetches the attachment."""
    client_module = pytest.importorskip("mailpit.client.api", reason="pip install mailpit-api-client")
    summary = store.add(mail("For Mailpit"))
    api = client_module.API(server.url, timeout=10)
    (listed,) = api.get_messages().messages
    assert (listed.id, listed.subject, listed.from_.address) == (
        summary.id,
        "For Mailpit",
        "shop@example.com",
    )
    message = api.get_message(listed.id)
    assert message.text == "For Mailpit: your code is 493201"
    assert message.html.startswith("<p>For Mailpit")
    (attachment,) = message.attachments
    assert attachment.file_name == "a.txt"
    assert api.get_message_attachment(listed.id, attachment.part_id) == "attached"


def test_the_shapes_of_mailpit(store: Any, client: Client) -> None:
    """Every member that Mailpit documents for lists and messages is there, with its type."""
    summary = store.add(mail())
    store.add(mail("Other", "adam@example.com"))
    listed = client.json("/api/v1/messages?limit=1&start=1")
    assert (listed["total"], listed["unread"], listed["messages_count"], listed["start"]) == (2, 2, 2, 1)
    assert (listed["count"], listed["messages_unread"], listed["tags"]) == (1, 2, ["signup"])
    (line,) = listed["messages"]
    assert line["ID"] == summary.id
    assert line["From"] == {"Name": "Shop", "Address": "shop@example.com"}
    assert line["Bcc"] == [{"Name": "", "Address": "hidden@example.com"}]
    assert (line["Read"], line["Attachments"], line["Tags"]) == (False, 1, ["signup"])
    assert line["Created"].endswith("Z")
    found = client.json("/api/v1/search?query=subject%3AOther")
    assert [each["Subject"] for each in found["messages"]] == ["Other"]
    message = client.json(f"/api/v1/message/{summary.id}")
    assert {"ID", "MessageID", "From", "To", "Cc", "Bcc", "ReplyTo", "Subject", "Date", "Text", "HTML", "Size", "Inline",
            "Attachments", "Tags", "ReturnPath"} <= set(message)  # fmt: skip
    assert message["ReturnPath"] == "shop@example.com"
    assert message["Inline"][0]["ContentID"] == "logo"
    assert message["Attachments"][0]["Size"] == 8
    assert client.json("/api/v1/messages")["unread"] == 1  # reading marks it, as Mailpit does


def test_the_actions_of_mailpit(store: Any, client: Client) -> None:
    """Read status, deletion, tags, info, `latest` and the rendered bodies answer as in Mailpit."""
    one, two = store.add(mail("One")), store.add(mail("Two"))
    assert client.json("/api/v1/message/latest")["ID"] == two.id
    assert client.get("/api/v1/message/latest/raw").body == store.get(two.id).content
    assert client.json(f"/api/v1/message/{one.id}/headers")["Mime-Version"] == ["1.0"]
    part = client.json(f"/api/v1/message/{one.id}")["Attachments"][0]["PartID"]
    assert client.get(f"/api/v1/message/{one.id}/part/{part}").body == b"attached"
    assert client.get(f"/api/v1/message/{one.id}/part/9").status == 404
    assert client.get(f"/view/{one.id}.txt").text.startswith("One:")
    assert client.get(f"/view/{one.id}.html").headers["location"] == f"/messages/{one.id}/html"
    assert client.get(f"/view/{one.id}").headers["location"] == f"/messages/{one.id}"
    assert client.json("/api/v1/tags") == ["signup"]
    info = client.json("/api/v1/info")
    assert (info["Messages"], info["Unread"], info["Tags"]) == (2, 0, {"signup": 2})
    ids = b'{"IDs": ["%s"], "Read": false}' % one.id.encode()
    assert client.ask("PUT", "/api/v1/messages", ids).text == "ok"
    assert client.json("/api/v1/messages")["unread"] == 1
    assert client.ask("DELETE", "/api/v1/messages", ids).text == "ok"
    assert [each.id for each in store] == [two.id]
    assert client.ask("DELETE", "/api/v1/search?query=subject:zzz").text == "ok"
    assert client.ask("DELETE", "/api/v1/search?query=subject:Two").text == "ok"
    store.add(mail())
    assert client.ask("DELETE", "/api/v1/messages").text == "ok"
    assert len(store) == 0


def test_the_errors_of_mailpit(store: Any, client: Client) -> None:
    """What cannot be is 400 or 404, and deletes nothing."""
    store.add(CapturedMail("", ("a@example.com",), b"Subject: text only\r\n\r\nx"))
    only = client.json("/api/v1/messages")["messages"][0]["ID"]
    for method, path, body, status in (
        ("GET", "/api/v1/message/none", None, 404),
        ("GET", f"/view/{only}.html", None, 404),
        ("GET", "/api/v1/search", None, 400),
        ("GET", "/api/v1/search?query=form:x", None, 400),
        ("DELETE", "/api/v1/search", None, 400),
        ("DELETE", "/api/v1/messages", b"ids=1", 400),
        ("DELETE", "/api/v1/messages", b"[]", 400),
        ("DELETE", "/api/v1/messages", b'{"IDs": "x"}', 400),
        ("DELETE", "/api/v1/messages", b'{"IDs":' + b"[" * 100_000, 400),
        ("DELETE", "/api/v1/messages", b" " * 1_100_000, 413),
    ):
        assert client.ask(method, path, body).status == status, path
    assert len(store) == 1
    store.clear()
    assert client.get("/api/v1/message/latest").status == 404
