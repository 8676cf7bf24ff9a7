import asyncio
from stepwright import Workflow

async def main():
    # Start workflow in background
    bg_response = await workflow.arun(
        input="Complex research task",
        background=True,  # Non-blocking
    )

    print(f"Started! Run ID: {bg_response.run_id}")
    print(f"Status: {bg_response.status}")

    # Poll for completion
    while True:
        result = workflow.get_run(bg_response.run_id)

        if result is None:
            print("Still waiting...")
            await asyncio.sleep(5)
            continue

        if result.has_completed():
            print("Completed!")
            print(result.content)
            break

        await asyncio.sleep(5)

asyncio.run(main())
