"""Where phones vote and the stage is led: plain pages beside Streamlit's, so that hundreds of phones cost little."""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from core.talk import quiz_pages
from core.talk.ballot import Refused, quizzes
from pages.ui import routes

PHONE = "invariscope_phone"
DAY = 86_400
MOST_BYTES = 256
"""Of a form: a vote is a few."""
_NO_HOST = "This stage is led from another browser: open it with the button of the page Talk."


def _page(body: str, status: int = 200, stage: bool = False) -> HTMLResponse:
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": quiz_pages.policy(stage),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(body, status, headers)


def _cookie(answer: Response, request: Request, name: str, value: str, age: int | None = None) -> Response:
    secure = request.url.scheme == "https"
    answer.set_cookie(name, value, age, path=routes.rooted("/quiz"), secure=secure, httponly=True, samesite="lax")
    return answer


async def _numbers(request: Request) -> dict[str, int]:
    """The whole numbers of a short form; a long or broken one has none."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return {}
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=4)
    except ValueError:
        return {}
    return {name: int(value) for name, (value, *_) in fields.items() if _is_number(value)}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 4


async def phone(request: Request) -> Response:
    """What a phone shows, and its vote."""
    id, known = str(request.path_params["id"]), quizzes()
    mine = known.phone_of(request.cookies.get(PHONE, ""))
    note, status = "", 200
    if request.method == "POST" and mine is None:
        note, status = "Nothing was counted: allow cookies for this page, and vote again.", 403
    elif request.method == "POST" and mine is not None:
        sent = await _numbers(request)
        try:
            known.vote(id, mine, sent.get("number", -1), sent.get("choice", -1))
            return RedirectResponse(routes.quiz(id), 303)
        except Refused as refused:
            note, status = str(refused), 409
    now = known.now(id, mine or "")
    answer = _page(quiz_pages.phone(now, routes.quiz(id), note), 404 if now is None else status)
    return answer if mine is not None or now is None else _cookie(answer, request, PHONE, known.new_phone(), DAY)


def _leads(request: Request) -> bool:
    id = str(request.path_params["id"])
    return quizzes().leads(id, request.cookies.get(f"invariscope_stage_{id}", ""))


async def stage(request: Request) -> Response:
    """What the room sees; whoever has the host's secret takes the next step."""
    id = str(request.path_params["id"])
    place = f"{routes.quiz(id)}/stage"
    # The secret leaves the address at once: a projector shows that, too.
    if quizzes().leads(id, request.query_params.get("key", "")):
        answer = RedirectResponse(place, 303)
        return _cookie(answer, request, f"invariscope_stage_{id}", request.query_params["key"])
    if not _leads(request):
        return PlainTextResponse(_NO_HOST, 403)
    if request.method == "POST":
        quizzes().go_on(id, (await _numbers(request)).get("step", -1))
        return RedirectResponse(place, 303)
    now = quizzes().now(id)
    return (
        PlainTextResponse(_NO_HOST, 404) if now is None else _page(quiz_pages.stage(now, routes.quiz(id)), stage=True)
    )


async def count(request: Request) -> Response:
    """For the stage: its step, and how many voted."""
    now = quizzes().now(str(request.path_params["id"])) if _leads(request) else None
    if now is None:
        return PlainTextResponse(_NO_HOST, 403)
    return JSONResponse({"step": now.step, "words": quiz_pages.counted(now)}, headers={"Cache-Control": "no-store"})


async def picture(request: Request) -> Response:
    """A picture of a question that was opened."""
    now = quizzes().now(str(request.path_params["id"]))
    number, name = str(request.path_params["number"]), str(request.path_params["name"])
    pictured = () if now is None else now.pictured
    if not _is_number(number) or int(number) >= len(pictured):
        return PlainTextResponse("There is no such picture.", 404)
    question = pictured[int(number)]
    pngs = {"picture": question.picture} | {str(i): option.png for i, option in enumerate(question.options)}
    if not pngs.get(name):
        return PlainTextResponse("There is no such picture.", 404)
    return Response(pngs[name], media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})
