# FastAPI streams a run to its client, event by event.
import asyncio

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from stepwright import Workflow


async def words(text: str):
    for word in text.split():
        await asyncio.sleep(0)
        yield word + " "


workflow = Workflow("Words", [words])
app = FastAPI()


@app.get("/run")
async def run(text: str) -> StreamingResponse:
    async def pieces():
        async for event in workflow.arun(text, stream=True):
            if event.event == "RunContent":
                yield event.content

    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/once")
async def once(text: str) -> dict:
    output = await workflow.arun(text)
    return {"content": output.content, "status": output.status}


client = TestClient(app)
with client.stream("GET", "/run", params={"text": "ants carry leaves"}) as answer:
    print(answer.status_code, "".join(answer.iter_text()))
print(client.get("/once", params={"text": "bees dance"}).json())
