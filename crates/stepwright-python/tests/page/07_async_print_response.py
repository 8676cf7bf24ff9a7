import asyncio

async def main():
    await workflow.aprint_response(
        input="Write about AI trends",
        stream=True,
        markdown=True,
    )

asyncio.run(main())
