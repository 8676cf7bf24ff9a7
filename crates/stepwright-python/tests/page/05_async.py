import asyncio
from stepwright import Workflow

async def main():
    response = await workflow.arun(input="Write about AI trends")
    print(response.content)

asyncio.run(main())
