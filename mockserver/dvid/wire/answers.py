"""Error answers with DVID's texts."""

from __future__ import annotations

from mockserver.http.messages import TEXT, Answer, Request


def error(status: int, text: str) -> Answer:
    """Answer with an error text and a newline, like Go's ``http.Error``."""
    data = f"{text}\n".encode(errors="surrogateescape")
    return Answer(status, TEXT, (data,), len(data), (("X-Content-Type-Options", "nosniff"),))


def panic(request: Request, problem: str) -> Answer:
    """Answer 500, like the real server when its code crashes."""
    return error(500, f"Panic detected on request mock:\n{problem}\nIP: {request.client}, URL: {request.path}\n")


def bad_call(request: Request, name: str, typename: str) -> Answer:
    """Answer a request for an endpoint that the instance of that name does not have."""
    help_url = f"http://{request.host}/api/help/{typename}"
    return error(400, f'Bad API call ({request.path}) for data "{name}".  See API help at {help_url}')


def busy_text(taken: int = 1, slots: int = 1) -> str:
    """Return DVID's text for a busy server; it ends with a newline."""
    return f"Server already running {taken} throttled operations (max = {slots})\n"
